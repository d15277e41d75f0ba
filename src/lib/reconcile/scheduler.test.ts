import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../clock.ts'
import { type Log, silentLog } from '../log.ts'
import { SeededRandom } from '../random.ts'
import type { ReconcileOutcome, Pace, Reconciler } from './reconciler.ts'
import { Scheduler } from './scheduler.ts'

const RETRY = { firstMilliseconds: 1_000, mostMilliseconds: 4_000 } as const

/** A scheduler, what its reconcilers did and when, and what was logged. */
function scheduled() {
  const clock = new VirtualClock()
  const done: string[] = []
  const logged: unknown[] = []
  const log: Log = { ...silentLog, warn: (_, fields) => void logged.push(fields) }
  const scheduler = new Scheduler<string>({ clock, random: new SeededRandom(1), log })
  const note = (what: string): void => void done.push(`${clock.now()} ${what}`)
  /** Adds a reconciler that notes its passes and ends each as `outcome` says. */
  const add = (
    name: string,
    options: Partial<Omit<Reconciler<number, string>, 'pace'>> & {
      readonly pace?: Partial<Pace>
      readonly outcome?: () => ReconcileOutcome
    } = {},
  ) => {
    const { outcome = () => 'done', pace, ...rest } = options
    return scheduler.add<number>({
      name,
      reconcile: (desired) => {
        note(`${name} ${desired}`)
        return outcome()
      },
      ...rest,
      pace: { retry: RETRY, ...pace },
    })
  }
  return { clock, scheduler, done, logged, note, add }
}

describe('the scheduler of reconcilers', () => {
  it('calls one when something else is desired, and not for the same object', async () => {
    const { clock, done, add } = scheduled()
    const routes = add('routes')
    await clock.advance(1_000)
    expect(done).toEqual([])
    routes.want(1)
    await clock.advance(1_000)
    routes.want(1)
    await clock.advance(1_000)
    routes.want(2)
    await clock.advance(1_000)
    expect(done).toEqual(['1000 routes 1', '3000 routes 2'])
  })

  it('has all that is due at one time in the order in which it was added, once in a turn', async () => {
    const { clock, done, add } = scheduled()
    const [tunnel, routes] = [add('tunnel'), add('routes')]
    for (const desired of [1, 2]) {
      routes.want(desired)
      tunnel.want(desired)
      tunnel.request()
    }
    await clock.advance(5)
    routes.want(3)
    tunnel.want(3)
    await clock.advance(100)
    expect(done).toEqual(['0 tunnel 2', '0 routes 2', '10 tunnel 3', '10 routes 3'])
  })

  it('leaves the time between two passes that a pace asks for', async () => {
    const { clock, done, add } = scheduled()
    const filter = add('filter', { pace: { debounceMilliseconds: 100 } })
    for (let desired = 0; desired < 15; desired++) {
      filter.want(desired)
      await clock.advance(10)
    }
    await clock.advance(1_000)
    expect(done).toEqual(['0 filter 0', '100 filter 9', '200 filter 14'])
  })

  it('calls one for the events that concern it', async () => {
    const { clock, scheduler, done, add } = scheduled()
    add('deaf', {}).want(1)
    add('routes', { observe: (event) => event === 'route' }).want(1)
    await clock.advance(1_000)
    done.length = 0
    scheduler.observe('link')
    scheduler.observe('route')
    await clock.advance(1_000)
    expect(done).toEqual(['1000 routes 1'])
  })

  it('goes on in the next turn with what was too much for one, and others come between', async () => {
    const { clock, done, add } = scheduled()
    let left = 3
    add('routes', { outcome: () => (--left > 0 ? 'more' : 'done') }).want(1)
    add('filter').want(1)
    await clock.advance(1_000)
    expect(done).toEqual(['0 routes 1', '0 filter 1', '10 routes 1', '20 routes 1'])
  })

  it('tries again after ever longer delays, and begins with the first after a success', async () => {
    const { clock, done, add } = scheduled()
    let isRefused = true
    const routes = add('routes', { outcome: () => (isRefused ? 'retry' : 'done') })
    const times = () => done.splice(0).map((line) => Number.parseInt(line, 10))
    const gaps = () => times().flatMap((at, n, all) => (n === 0 ? [] : at - all[n - 1]!))
    routes.want(1)
    await clock.advance(12_000)
    const delays = gaps()
    expect(delays.length).toBeGreaterThan(2)
    for (const [n, most] of [1_000, 2_000, 4_000, 4_000].entries()) {
      if (delays[n] === undefined) continue
      expect(delays[n]).toBeGreaterThanOrEqual(most / 2)
      expect(delays[n]).toBeLessThanOrEqual(most)
    }
    isRefused = false
    await clock.advance(10_000)
    expect(times()).toHaveLength(1)
    isRefused = true
    routes.want(2)
    await clock.advance(1_100)
    expect(times().length).toBeGreaterThan(1)
  })

  it('logs what a pass throws once, has it among the problems, and forgets what was read', async () => {
    const { clock, scheduler, logged, done, note, add } = scheduled()
    let error: string | undefined = 'no buffer space'
    const routes = add('routes', {
      outcome: () => {
        if (error !== undefined) throw new Error(error)
        return 'done'
      },
      forget: () => note('forget'),
      problems: () => ['no route to 10.0.0.0/8'],
    })
    routes.want(1)
    await clock.advance(5_000)
    expect(logged).toEqual([{ part: 'routes', error }])
    expect(scheduler.problems()).toEqual([error, 'no route to 10.0.0.0/8'])
    expect(done.slice(0, 2)).toEqual(['0 routes 1', '0 forget'])
    error = undefined
    await clock.advance(5_000)
    expect(routes.problems()).toEqual(['no route to 10.0.0.0/8'])
  })

  it('does not call for a retry what is asked of it: a request comes first', async () => {
    const { clock, done, add } = scheduled()
    const routes = add('routes', { outcome: () => 'retry' })
    routes.want(1)
    await clock.advance(100)
    routes.want(2)
    await clock.advance(100)
    expect(done).toEqual(['0 routes 1', '100 routes 2'])
  })

  it('has everything read again from time to time, and when notifications were lost', async () => {
    const { clock, scheduler, done, note, add } = scheduled()
    const pace = { resyncMilliseconds: 90_000 }
    add('routes', { pace, forget: () => note('forget') }).want(1)
    await clock.advance(180_000)
    const passes = ['0 routes 1', '90000 forget', '90000 routes 1', '180000 forget']
    expect(done).toEqual([...passes, '180000 routes 1'])
    await clock.advance(1_000)
    scheduler.forget()
    await clock.advance(1_000)
    expect(done.slice(5)).toEqual(['181000 forget', '181000 routes 1'])
  })

  it('does at once what was asked for when it is to settle, and no retry', async () => {
    const { clock, scheduler, done, add } = scheduled()
    const filter = add('filter', { pace: { debounceMilliseconds: 100 } })
    add('refused', { outcome: () => 'retry' }).want(1)
    filter.want(1)
    await clock.advance(10)
    filter.want(2)
    scheduler.settle()
    scheduler.settle()
    expect(done).toEqual(['0 filter 1', '0 refused 1', '10 filter 2'])
  })

  it('settles what follows too, from one reconciler to another and back, but no more than a while', () => {
    const { scheduler, done, add } = scheduled()
    const derived = add('derived', {
      reconcile: (facts) => {
        done.push(`derived ${facts}`)
        if (facts < 4) tunnel.want(facts)
        return 'done'
      },
    })
    const tunnel = add('tunnel', {
      reconcile: (facts) => {
        done.push(`tunnel ${facts}`)
        derived.want(facts + 1)
        return 'done'
      },
    })
    derived.want(2)
    scheduler.settle()
    expect(done).toEqual(['derived 2', 'tunnel 2', 'derived 3', 'tunnel 3', 'derived 4'])
    done.length = 0
    const endless = add('endless', {
      reconcile: (count) => {
        done.push(`endless ${count}`)
        endless.want(count + 1)
        return 'done'
      },
    })
    endless.want(1)
    scheduler.settle()
    expect(done.length).toBeLessThan(10)
  })

  it('settles one pass of what has more to do, so that others have their turn', () => {
    const { scheduler, done, add } = scheduled()
    add('routes', { outcome: () => 'more' }).want(1)
    scheduler.settle()
    expect(done).toEqual(['0 routes 1'])
  })

  it('has one pass at a time of work that takes its time, and one more for all that came meanwhile', async () => {
    const { clock, scheduler, done, note, add } = scheduled()
    const rows = add('rows', {
      reconcile: async (desired) => {
        note(`begin ${desired}`)
        await new Promise<void>((resolve) => void clock.after(50, resolve))
        if (desired === 3) throw new Error('the datastore is away')
        note(`end ${desired}`)
        return 'done' as const
      },
    })
    rows.want(1)
    await clock.advance(20)
    rows.want(2)
    rows.want(3)
    scheduler.settle()
    await clock.advance(200)
    expect(done).toEqual(['0 begin 1', '50 end 1', '50 begin 3'])
    expect(rows.problems()).toEqual(['the datastore is away'])
    rows.want(4)
    await clock.advance(200)
    expect(done.slice(3)).toEqual(['220 begin 4', '270 end 4'])
    expect(rows.problems()).toEqual([])
  })

  it('removes last what others stood on, once they have written all that they had to', async () => {
    const { clock, done, note, add } = scheduled()
    let left = 2
    add('link', { sweep: () => note('sweep link') }).want(1)
    add('routes', {
      outcome: () => (--left > 0 ? 'more' : 'done'),
      sweep: () => note('sweep routes'),
    }).want(1)
    await clock.advance(100)
    const last = ['10 routes 1', '10 sweep routes', '10 sweep link']
    expect(done).toEqual(['0 link 1', '0 routes 1', ...last])
  })

  it('removes what nothing needs all the same where something is refused', async () => {
    const { clock, done, note, add } = scheduled()
    add('link', { sweep: () => note('sweep link') }).want(1)
    add('settings', {
      outcome: () => {
        throw new Error('read-only file system')
      },
    }).want(1)
    await clock.advance(100)
    expect(done).toEqual(['0 link 1', '0 settings 1', '0 sweep link'])
  })

  it('does nothing more when it has stopped', async () => {
    const { clock, scheduler, done, note, add } = scheduled()
    const routes = add('routes', {
      pace: { resyncMilliseconds: 1_000 },
      outcome: () => 'retry',
      stop: () => note('stop'),
    })
    routes.want(1)
    await clock.advance(10)
    scheduler.stop()
    routes.want(2)
    scheduler.settle()
    await clock.advance(100_000)
    expect(done).toEqual(['0 routes 1', '10 stop'])
    expect(clock.next).toBeUndefined()
  })
})
