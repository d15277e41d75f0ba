import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ownLoopback, type Running, TortieProcesses } from './support/tortie-process.ts'

/** The daemon as a process on loopback: files, signals and sockets as they are. */
const isLinux = process.platform === 'linux'
if (!isLinux) console.warn('skipped: bgpd as a process needs Linux')

const processes = new TortieProcesses()
beforeAll(() => (isLinux ? processes.build() : undefined))
afterEach(() => processes.killAll())
afterAll(() => processes.remove())
const tortie = (...argv: string[]): Running => processes.run(...argv)

/** Tries until it does not throw any more; the last error after a minute. */
async function eventually<Result>(action: () => Promise<Result>): Promise<Result> {
  const deadline = Date.now() + 60_000
  for (;;) {
    try {
      return await action()
    } catch (error) {
      if (Date.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

/** Two daemons on loopback addresses of their own, with files that can be rewritten. */
function pair() {
  const files = mkdtempSync(join(tmpdir(), 'tortie-bgpd-'))
  const { net, port } = ownLoopback()
  const side = (name: 'a' | 'b') => {
    const [host, other] = name === 'a' ? [1, 2] : [2, 1]
    const path = join(files, `${name}.yaml`)
    const socket = join(files, `${name}.sock`)
    const write = (rest: string): void =>
      writeFileSync(
        path,
        `localAs: ${65000 + host}
routerId: 10.0.0.${host}
listen: [{ address: ${net}.${host}, port: ${port} }]
control: ${socket}
neighbors:
  - { address: ${net}.${other}, localAddress: ${net}.${host}, port: ${port}, remoteAs: ${65000 + other}, passive: ${name === 'b'}, import: accept, export: accept, connectRetrySeconds: 1 }
${rest}`,
      )
    const ask = async (...argv: string[]): Promise<unknown> => {
      const run = await tortie('bgp', ...argv, '--socket', socket, '--json').done
      if (run.status !== 0) throw new Error(run.err)
      return JSON.parse(run.out)
    }
    const prefixes = async (): Promise<string[]> =>
      ((await ask('routes')) as { prefix: string }[]).map((path) => path.prefix).sort()
    return { path, socket, write, ask, prefixes, start: () => tortie('bgpd', '-c', path) }
  }
  return { a: side('a'), b: side('b'), remove: () => rmSync(files, { recursive: true }) }
}

describe.skipIf(!isLinux)('bgpd as a process', () => {
  it(
    'exchanges routes, reloads on SIGHUP, keeps its configuration over a bad file, and ends',
    { timeout: 240_000 },
    async () => {
      const { a, b, remove } = pair()
      try {
        a.write('static: [{ prefix: 10.1.0.0/16 }]')
        b.write('')
        const first = a.start()
        const second = b.start()
        await eventually(async () => expect(await b.prefixes()).toEqual(['10.1.0.0/16']))
        const session = async (): Promise<unknown> => {
          const [{ state, since }] = (await b.ask('neighbors')) as [
            { state: string; since: number },
          ]
          return { state, since }
        }
        const before = await session()
        expect(statSync(a.socket).mode & 0o777).toBe(0o600)

        a.write('static: [{ prefix: 10.2.0.0/16 }]')
        first.child.kill('SIGHUP')
        await eventually(async () => expect(await b.prefixes()).toEqual(['10.2.0.0/16']))

        a.write('static: [{ prefix: 10.3.0.0/33 }]\nfoo: 1')
        const reload = await tortie('bgp', 'reload', '--socket', a.socket).done
        expect(reload.status).toBe(1)
        expect(reload.err).toContain('a.yaml has 2 mistakes; the running configuration stays')
        expect(reload.err).toMatch(
          /a\.yaml:7:20: static\[0\]\.prefix is "10\.3\.0\.0\/33": expected/,
        )
        first.child.kill('SIGHUP')
        expect(await b.prefixes()).toEqual(['10.2.0.0/16'])
        expect(await session()).toEqual(before)

        first.child.kill('SIGTERM')
        const { status, err } = await first.done
        expect(status).toBe(0)
        expect(err).toMatch(/"reason":"KEEPALIVE received".*"msg":"Session up"/)
        expect(err).toMatch(/"reason":"stopped by the operator".*"msg":"Session down"/)
        await eventually(async () => {
          const [down] = (await b.ask('neighbors')) as { state: string }[]
          expect(down!.state).not.toBe('Established')
        })
        await tortie('bgp', 'stop', '--socket', b.socket).done
        expect((await second.done).status).toBe(0)
      } finally {
        remove()
      }
    },
  )

  it('starts nothing with a bad file, and says all that is wrong with it', async () => {
    const { a, remove } = pair()
    try {
      writeFileSync(a.path, 'localAs: 0\nneighbors: [{ address: x }]\n')
      const run = await a.start().done
      expect(run.status).toBe(1)
      expect(run.err.split('\n').map((line) => line.replace(/^.*a\.yaml/, 'a.yaml'))).toEqual([
        'a.yaml has 4 mistakes; nothing was started',
        'a.yaml:1:1: routerId is missing: expected four octets as text',
        'a.yaml:1:10: localAs is 0: expected an AS number: a whole number from 1 to 4294967295',
        'a.yaml:2:13: neighbors[0].remoteAs is missing: expected an AS number: a whole number from 1 to 4294967295',
        'a.yaml:2:24: neighbors[0].address is "x": expected an IP address such as 10.0.0.1 or 2001:db8::1',
        '',
      ])
      a.write('')
      const check = await tortie('bgpd', '-c', a.path, '--check').done
      expect(check).toMatchObject({ status: 0, out: `${a.path} is right\n` })
    } finally {
      remove()
    }
  })

  it('says which address it cannot have', async () => {
    const { a, remove } = pair()
    try {
      writeFileSync(
        a.path,
        `localAs: 1\nrouterId: 1.1.1.1\nlisten: [{ address: 203.0.113.77, port: 1790 }]\ncontrol: ${a.socket}\n`,
      )
      const run = await a.start().done
      expect(run.status).not.toBe(0)
      expect(run.err).toContain('203.0.113.77')
    } finally {
      remove()
    }
  })
})
