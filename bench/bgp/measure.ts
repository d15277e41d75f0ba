import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../../test/support/command.ts'
import { Namespaces } from '../../test/support/namespaces.ts'
import type { Answer, GeneratorConfig, Order } from './control.ts'
import type { EventLoopFigures } from './event-loop.ts'
import { type Usage, usageOf } from './resources.ts'
import {
  assignment,
  feederConfig,
  neighborAddresses,
  type Scenario,
  sinkConfig,
  SPEAKER_ADDRESS,
  watcherConfig,
} from './scenarios.ts'
import type { Speaker } from './speakers.ts'

export interface Measurement {
  /** From the first attempt to connect until all sessions were established. */
  readonly establishSeconds: number
  /** From the first UPDATE sent to the last route received. */
  readonly announceSeconds: number
  /** The same for the withdrawal of all routes. */
  readonly withdrawSeconds: number
  /** CPU time of the speaker's processes from the first UPDATE to the last route received. */
  readonly announceCpuSeconds: number
  readonly withdrawCpuSeconds: number
  /** Since the speaker's start, when all routes were there. */
  readonly usage: Usage
  /** Share of one core while nothing happens, 0 to 1; undefined where the scenario does not idle. */
  readonly idleShare: number | undefined
  /** Longest silence between two KEEPALIVEs to an idle neighbor to which one a second is due. */
  readonly keepaliveGapSeconds: number
  /** Of the whole run; undefined for a speaker without one that can be asked. */
  readonly eventLoop: EventLoopFigures | undefined
}

const MAC = { speaker: '02:00:00:00:00:01', generator: '02:00:00:00:00:02' } as const

/** Puts a speaker into a scenario and gives what it took; throws if it does not get through. */
export async function measure(
  speaker: Speaker,
  scenario: Scenario,
  deadlineSeconds: number,
): Promise<Measurement | { missing: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'tortie-bench-'))
  const namespaces = new Namespaces('bgpbench')
  try {
    const launch = speaker(assignment(scenario), folder)
    if ('missing' in launch) return launch
    const [speakerSpace, generatorSpace] = joined(namespaces, scenario)
    const log = openSync(join(folder, 'speaker.log'), 'w')
    const [program, ...args] = launch.command
    const child = namespaces.spawn(speakerSpace, program!, args, {
      env: launch.env ?? process.env,
      cwd: folder,
      stdio: ['ignore', log, log],
    })
    const generator = (config: GeneratorConfig): Generator =>
      new Generator(namespaces, generatorSpace, config, deadlineSeconds)
    const seen = await run(scenario, generator, () => usageOf(namespaces.pids(speakerSpace)))
    return { ...seen, eventLoop: await eventLoopFigures(child, launch.eventLoopFile) }
  } catch (error) {
    const said = readFileSync(join(folder, 'speaker.log'), 'utf8').trim().split('\n').slice(-5)
    throw new Error(`${String(error)}\n${said.join('\n')}`, { cause: error })
  } finally {
    namespaces.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function eventLoopFigures(
  speaker: ChildProcess,
  file: string | undefined,
): Promise<EventLoopFigures | undefined> {
  if (file === undefined) return undefined
  speaker.kill('SIGUSR2')
  const text = await eventually('the figures of the event loop', 5, () => {
    const written = existsSync(file) ? readFileSync(file, 'utf8') : ''
    return written.endsWith('}') && written
  })
  return JSON.parse(text) as EventLoopFigures
}

async function run(
  scenario: Scenario,
  generator: (config: GeneratorConfig) => Generator,
  usage: () => Usage,
): Promise<Omit<Measurement, 'eventLoop'>> {
  const sink = generator(sinkConfig(scenario))
  const watcher = generator(watcherConfig)
  await Promise.all([sink.said('established'), watcher.said('established')])
  const connecting = performance.now()
  const feeder = generator(feederConfig(scenario))
  await feeder.said('established')
  const establishSeconds = (performance.now() - connecting) / 1000

  const before = usage()
  feeder.tell({ do: 'announce' })
  const [began, all] = await Promise.all([feeder.said('sending'), sink.said('all')])
  const full = usage()
  const idleShare = scenario.idleSeconds && (await idle(scenario.idleSeconds, usage))

  const calm = usage()
  feeder.tell({ do: 'withdraw' })
  const [ended, none] = await Promise.all([feeder.said('sending'), sink.said('none')])
  return {
    establishSeconds,
    announceSeconds: (all.at - began.at) / 1000,
    announceCpuSeconds: full.cpuSeconds - before.cpuSeconds,
    withdrawSeconds: (none.at - ended.at) / 1000,
    withdrawCpuSeconds: usage().cpuSeconds - calm.cpuSeconds,
    usage: full,
    idleShare,
    keepaliveGapSeconds: watcher.gapMilliseconds / 1000,
  }
}

/** Share of a core used over some seconds, after two to settle. */
async function idle(seconds: number, usage: () => Usage): Promise<number> {
  const wait = (milliseconds: number): Promise<void> =>
    new Promise((resolve) => setTimeout(resolve, milliseconds))
  await wait(2000)
  const before = usage().cpuSeconds
  await wait(seconds * 1000)
  return (usage().cpuSeconds - before) / seconds
}

/**
 * A namespace for the speaker and one with all neighbors' addresses, joined by veth. The neighbors
 * stand in the neighbor table for good: a thousand of them would overflow it otherwise (gc_thresh3).
 */
function joined(namespaces: Namespaces, scenario: Scenario): [string, string] {
  const speaker = namespaces.add('speaker')
  const generator = namespaces.add('peers')
  namespaces.join(
    { namespace: speaker, interface: 'eth0', addresses: [`${SPEAKER_ADDRESS}/16`] },
    { namespace: generator, interface: 'eth0', addresses: ['10.255.255.254/16'] },
  )
  const addresses = neighborAddresses(scenario)
  namespaces.batch(speaker, [
    `link set eth0 address ${MAC.speaker}`,
    ...addresses.map((one) => `neigh add ${one} lladdr ${MAC.generator} dev eth0 nud permanent`),
  ])
  namespaces.batch(generator, [
    `link set eth0 address ${MAC.generator}`,
    ...addresses.map((one) => `addr add ${one}/16 dev eth0`),
    `neigh add ${SPEAKER_ADDRESS} lladdr ${MAC.speaker} dev eth0 nud permanent`,
  ])
  return [speaker, generator]
}

type Said<Kind extends Answer['say']> = Extract<Answer, { say: Kind }>

/** A process of the generator, seen from the runner. */
class Generator {
  readonly #child: ChildProcess
  readonly #role: string
  readonly #deadlineSeconds: number
  readonly #unread: Answer[] = []
  #waiting: { say: Answer['say']; take: (answer: Answer) => void; fail: (why: Error) => void }[] =
    []
  #failure: Error | undefined
  #present = 0
  gapMilliseconds = 0

  constructor(
    namespaces: Namespaces,
    namespace: string,
    config: GeneratorConfig,
    deadlineSeconds: number,
  ) {
    this.#role = config.role
    this.#deadlineSeconds = deadlineSeconds
    const program = join(import.meta.dirname, 'generator.js')
    this.#child = namespaces.spawn(namespace, process.execPath, [program], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#child.on('message', (answer: Answer) => this.#hear(answer))
    this.#child.on('exit', (status) => this.#fail(`ended with status ${status}`))
    this.tell({ do: 'start', config })
  }

  tell(order: Order): void {
    this.#child.send(order)
  }

  /** The next answer of a kind; each is given once. */
  said<Kind extends Answer['say']>(say: Kind): Promise<Said<Kind>> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure)
        return
      }
      const at = this.#unread.findIndex((answer) => answer.say === say)
      if (at >= 0) {
        resolve(this.#unread.splice(at, 1)[0] as Said<Kind>)
        return
      }
      const timer = setTimeout(
        () =>
          this.#fail(`no "${say}" in ${this.#deadlineSeconds} s, ${this.#present} routes there`),
        this.#deadlineSeconds * 1000,
      )
      const take = (answer: Answer): void => {
        clearTimeout(timer)
        resolve(answer as Said<Kind>)
      }
      const fail = (why: Error): void => {
        clearTimeout(timer)
        reject(why)
      }
      this.#waiting.push({ say, take, fail })
    })
  }

  #hear(answer: Answer): void {
    if (answer.say === 'lost') this.#fail(`lost a session: ${answer.reason}`)
    else if (answer.say === 'gap') this.gapMilliseconds = answer.milliseconds
    else if (answer.say === 'progress') this.#present = answer.present
    else {
      const at = this.#waiting.findIndex((waiting) => waiting.say === answer.say)
      if (at >= 0) this.#waiting.splice(at, 1)[0]!.take(answer)
      else this.#unread.push(answer)
    }
  }

  #fail(why: string): void {
    this.#failure ??= new Error(`${this.#role}: ${why}`)
    for (const waiting of this.#waiting.splice(0)) waiting.fail(this.#failure)
  }
}
