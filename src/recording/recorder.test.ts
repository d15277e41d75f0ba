import { Secret } from '../lib/secret.ts'
import { describe, expect, it } from 'vitest'
import type { Clock, Timer } from '../lib/clock.ts'
import type { TcpConnection, TcpConnectOptions, TcpHandlers, TcpStack } from '../net/transport.ts'
import { ip } from '../net/ip-address.ts'
import { Recorder } from './recorder.ts'

/** A recorder whose turns are taken by hand. */
function recording() {
  const lines: string[] = []
  const turns: (() => void)[] = []
  const recorder = new Recorder({
    write: (line) => lines.push(line),
    later: (task) => turns.push(task),
  })
  const turn = (): void => turns.shift()?.()
  return { recorder, lines, turn }
}

/** A clock whose timers fire when told to. */
function manualClock() {
  const fires: (() => void)[] = []
  const clock: Clock = {
    now: () => 7,
    wallTime: () => 8,
    after(_, fire): Timer {
      fires.push(fire)
      return { cancel() {} }
    },
  }
  return { clock, fires }
}

describe('a recorder', () => {
  it('writes what is asked with its answer', () => {
    const { recorder, lines } = recording()
    const clock = recorder.port('clock', manualClock().clock)
    expect(clock.now()).toBe(7)
    expect(lines).toEqual(['{"on":"clock","call":"now","args":[],"answer":{"value":7}}'])
  })

  it('lets in one thing at a time, each in a turn of its own', () => {
    const { recorder, lines, turn } = recording()
    const { clock, fires } = manualClock()
    const fired: number[] = []
    const recorded = recorder.port('clock', clock)
    recorded.after(1, () => fired.push(1))
    recorded.after(1, () => fired.push(2))
    for (const fire of fires) fire()
    expect(fired).toEqual([])
    turn()
    expect(fired).toEqual([1])
    turn()
    expect(fired).toEqual([1, 2])
    expect(lines.slice(2)).toEqual([
      '{"event":"call","function":1,"args":[]}',
      '{"event":"call","function":2,"args":[]}',
    ])
  })

  it('keeps a timer silent that is cancelled while its turn is awaited', () => {
    const { recorder, turn } = recording()
    const { clock, fires } = manualClock()
    let fired = false
    const timer = recorder.port('clock', clock).after(1, () => (fired = true))
    fires[0]!()
    timer.cancel()
    turn()
    expect(fired).toBe(false)
  })

  it('holds back what a connection got before it was paused, and its octets are its own', () => {
    const { recorder, turn } = recording()
    const { stack, given } = tcp()
    const heard: number[] = []
    const connection = recorder
      .port('tcp', stack)
      .connect(
        { remote: { address: ip('10.0.0.1'), port: 179 } },
        { onData: (octets) => heard.push(...octets), onClose() {} },
      )
    const octets = Buffer.from([1, 2, 3])
    given[0]!.onData(octets)
    octets.fill(9)
    connection.pause()
    turn()
    expect(heard).toEqual([])
    connection.resume()
    turn()
    expect(heard).toEqual([1, 2, 3])
  })

  it('writes no keys', () => {
    const { recorder, lines } = recording()
    const { stack, options } = tcp()
    const recorded = recorder.port('tcp', stack)
    const remote = { address: ip('10.0.0.1'), port: 179 }
    recorded.connect({ remote, md5Key: new Secret('hush') }, { onData() {}, onClose() {} })
    recorded
      .listen({ family: 4, port: 179 }, () => {})
      .setMd5Key(ip('10.0.0.1'), new Secret('hush'))
    expect(lines.join('\n')).not.toContain('hush')
    const [asked, key] = options as [TcpConnectOptions, Secret]
    expect([asked.md5Key!.reveal(), key.reveal()]).toEqual(['hush', 'hush'])
  })
})

/** A stack that connects at once, and notes what it was given. */
function tcp() {
  const given: TcpHandlers[] = []
  const options: unknown[] = []
  const stack: TcpStack = {
    listen: () => ({ port: 179, setMd5Key: (_, key) => void options.push(key), close() {} }),
    connect(asked, handlers): TcpConnection {
      options.push(asked)
      given.push(handlers)
      const end = { address: ip('10.0.0.2'), port: 1 }
      const rest = { write: () => true, pause() {}, resume() {}, close() {}, destroy() {} }
      return { local: end, remote: asked.remote, handlers, unsentOctets: 0, ...rest }
    },
  }
  return { stack, given, options }
}
