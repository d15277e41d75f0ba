import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { command, eventually } from '../support/command.ts'
import { Namespaces } from '../support/namespaces.ts'
import { peerEnvironment, unpackedPeer } from '../support/peer-packages.ts'
import { TortieProcesses } from '../support/tortie-process.ts'

/**
 * Two routers between two hosts, `tortie bgpd` on one and BIRD 2 on the other. Each learns the other's
 * host network by BGP and writes it to its kernel; the hosts ping each other all the while.
 *
 *     left host ── own router ════ BGP ════ peer router ── right host
 *       .1.2       .1.1  .0.1               .0.2  .2.1       .2.2        (10.77. and fd77:)
 */
const isRoot = process.getuid?.() === 0
const bird = isRoot ? unpackedPeer('bird2') : { missing: 'network namespaces need root' }
if ('missing' in bird) console.log(`restart with traffic: skipped, ${bird.missing}`)

const FAMILIES = [4, 6] as const
type Family = (typeof FAMILIES)[number]

/** An address of the plan; `network` 0 is the one between the routers. */
const address = (family: Family, network: number, host: number): string =>
  family === 4 ? `10.77.${network}.${host}` : `fd77:0:0:${network}::${host}`
const networkOf = (family: Family, network: number): string =>
  family === 4 ? `10.77.${network}.0/24` : `fd77:0:0:${network}::/64`
const addresses = (network: number, host: number): string[] =>
  FAMILIES.map((family) => `${address(family, network, host)}/${family === 4 ? 24 : 64}`)

/** Echoes that must come back before and after what a test does. */
const ECHOES = 100
/** Of nobody: what the restarted daemon finds in the kernel and removes when all neighbors have spoken. */
const LEFTOVER = '10.77.99.0/24'

const OWN_CONFIGURATION = `
localAs: 65001
routerId: 10.77.0.1
gracefulRestart: { restartTimeSeconds: 60 }
neighbors:
${FAMILIES.map(
  (family) =>
    `  - { address: "${address(family, 0, 2)}", remoteAs: 65002, import: accept, export: accept, families: [ipv${family}], connectRetrySeconds: 1 }`,
).join('\n')}
static: [${FAMILIES.map((family) => `{ prefix: "${networkOf(family, 1)}" }`).join(', ')}]
kernel: {}
`

const PEER_CONFIGURATION = `
router id 10.77.0.2;
graceful restart wait 20;
protocol device { scan time 1; }
${FAMILIES.map(
  (family) => `
protocol direct direct${family} { ipv${family}; interface "hosts"; }
protocol kernel kernel${family} {
  ipv${family} { import none; export where source = RTS_BGP; };
  graceful restart;
}
protocol bgp own${family} {
  local ${address(family, 0, 2)} as 65002; neighbor ${address(family, 0, 1)} as 65001;
  direct; connect delay time 1; connect retry time 1; error wait time 1, 2;
  graceful restart on; graceful restart time 60;
  ipv${family} { import all; export where source = RTS_DEVICE; };
}`,
).join('\n')}
`

/** Both routers and both hosts, and what runs in them. */
class Network {
  readonly folder = mkdtempSync(join(tmpdir(), 'tortie-restart-'))
  readonly #namespaces = new Namespaces('restart')
  readonly #processes: TortieProcesses
  readonly #birdRoot: string
  readonly left = this.#namespaces.add('left')
  readonly own = this.#namespaces.add('own')
  readonly peer = this.#namespaces.add('peer')
  readonly right = this.#namespaces.add('right')
  readonly #socket = join(this.folder, 'bgpd.sock')
  #logs = 0

  constructor(processes: TortieProcesses, birdRoot: string) {
    this.#processes = processes
    this.#birdRoot = birdRoot
    const join_ = (
      [left, leftName, leftHost]: readonly [string, string, number],
      [right, rightName, rightHost]: readonly [string, string, number],
      network: number,
    ): void =>
      this.#namespaces.join(
        { namespace: left, interface: leftName, addresses: addresses(network, leftHost) },
        { namespace: right, interface: rightName, addresses: addresses(network, rightHost) },
      )
    join_([this.own, 'routers', 1], [this.peer, 'routers', 2], 0)
    join_([this.left, 'eth0', 2], [this.own, 'hosts', 1], 1)
    join_([this.right, 'eth0', 2], [this.peer, 'hosts', 1], 2)
    for (const router of [this.own, this.peer]) {
      const forward =
        'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
      this.#namespaces.run(router, 'sh', ['-c', forward])
    }
    for (const [host, network] of [
      [this.left, 1],
      [this.right, 2],
    ] as const) {
      this.#namespaces.batch(
        host,
        FAMILIES.map((family) => `route add default via ${address(family, network, 1)}`),
      )
    }
    writeFileSync(join(this.folder, 'bgpd.yaml'), `control: ${this.#socket}${OWN_CONFIGURATION}`)
    writeFileSync(join(this.folder, 'bird.conf'), PEER_CONFIGURATION)
  }

  startOwn(): ChildProcess {
    const args = [this.#processes.program, 'bgpd', '-c', join(this.folder, 'bgpd.yaml')]
    return this.#start(this.own, process.execPath, args).child
  }

  startPeer(restarted: boolean): ChildProcess {
    const files = ['-c', join(this.folder, 'bird.conf'), '-s', join(this.folder, 'bird.ctl')]
    const args = ['-f', ...files, ...(restarted ? ['-R'] : [])]
    const program = join(this.#birdRoot, 'usr/sbin/bird')
    return this.#start(this.peer, program, args, peerEnvironment(this.#birdRoot)).child
  }

  /** A program whose output can be read while it runs. */
  #start(
    namespace: string,
    program: string,
    args: readonly string[],
    env = process.env,
  ): { readonly child: ChildProcess; readonly read: () => string } {
    const file = join(this.folder, `${this.#logs++}.log`)
    const output = openSync(file, 'w')
    const stdio = ['ignore', output, output] as const
    const child = this.#namespaces.spawn(namespace, program, args, { env, stdio: [...stdio] })
    return { child, read: () => readFileSync(file, 'utf8') }
  }

  /** Pings the right host from the left one, a hundred times a second; lines of what came back. */
  ping(family: Family): Pings {
    const args = [`-${family}`, '-n', '-i', '0.01', address(family, 2, 2)]
    const { child, read } = this.#start(this.left, 'ping', args)
    return new Pings(child, read)
  }

  /** Watches the main table of a router; `end` gives the lines about what goes between the hosts. */
  async watchRoutes(router: string): Promise<{ end(): string[] }> {
    const watches = FAMILIES.map((family) => {
      const route = `${networkOf(family, 98)} dev routers`
      const { child, read } = this.#start(router, 'ip', [`-${family}`, 'monitor', 'route'])
      return { child, read, route }
    })
    // They listen when they tell of routes that are made for them.
    await eventually('the watch over routes', 10, () => {
      for (const { route } of watches) {
        this.#namespaces.batch(router, [`route replace ${route}`, `route del ${route}`])
      }
      return watches.every(({ read }) => read().includes('Deleted'))
    })
    const ofHosts = FAMILIES.flatMap((family) => [1, 2].map((at) => networkOf(family, at)))
    return {
      end: () => {
        for (const { child } of watches) child.kill()
        const lines = watches.flatMap(({ read }) => read().split('\n'))
        return lines.filter((line) => ofHosts.some((network) => line.includes(network)))
      },
    }
  }

  /** Makes a route as the daemon before would have left it. */
  addLeftover(): void {
    const gateway = address(4, 0, 2)
    this.#namespaces.batch(this.own, [`route add ${LEFTOVER} via ${gateway} proto bgp metric 20`])
  }

  routes(namespace: string, family: Family): string {
    return command('ip', [`-${family}`, '-n', namespace, 'route'])
  }

  async tellOwn(...argv: string[]): Promise<string> {
    const { out, err, status } = await this.#processes.run('bgp', ...argv, '--socket', this.#socket)
      .done
    if (status !== 0) throw new Error(err)
    return out
  }

  peerSays(...argv: string[]): string {
    const birdc = join(this.#birdRoot, 'usr/sbin/birdc')
    const program = [...argv]
    const socket = ['-s', join(this.folder, 'bird.ctl')]
    return this.#namespaces.run(this.peer, 'env', [
      `LD_LIBRARY_PATH=${peerEnvironment(this.#birdRoot)['LD_LIBRARY_PATH']}`,
      birdc,
      ...socket,
      ...program,
    ])
  }

  /** Waits until both sides hold each other's fresh routes in both families. */
  async converged(): Promise<void> {
    await eventually(
      'fresh routes on both sides',
      30,
      async () => {
        try {
          const shown = this.peerSays('show', 'protocols')
          const up = shown.match(/^own\d\s+BGP\s.*Established/gm)
          return up?.length === 2 && (await this.#isFresh())
        } catch {
          return false // one of the control sockets is not there
        }
      },
      () => this.logs(),
    )
  }

  async #isFresh(): Promise<boolean> {
    const neighbors = JSON.parse(await this.tellOwn('neighbors', '--json')) as {
      readonly families: readonly {
        readonly accepted: number
        readonly stale: number
        readonly endOfRibReceived: boolean
      }[]
    }[]
    return neighbors
      .flatMap(({ families }) => families)
      .every((family) => family.accepted === 1 && family.stale === 0 && family.endOfRibReceived)
  }

  logs(): string {
    return Array.from({ length: this.#logs }, (_, at) =>
      readFileSync(join(this.folder, `${at}.log`), 'utf8').slice(-1500),
    ).join('\n')
  }

  close(): void {
    this.#namespaces.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A running ping: every echo has a number, so that what is lost is a number that is missing. */
class Pings {
  readonly #child: ChildProcess
  readonly #read: () => string

  constructor(child: ChildProcess, read: () => string) {
    this.#child = child
    this.#read = read
  }

  #numbers(): number[] {
    return Array.from(this.#read().matchAll(/icmp_seq=(\d+) ttl=/g), (match) => Number(match[1]))
  }

  /** Waits until so many more echoes have come back. */
  async more(count: number): Promise<void> {
    const before = this.#numbers().length
    await eventually('echoes', 10, () => this.#numbers().length >= before + count, this.#read)
  }

  /** Ends it; the numbers that did not come back, of all up to the last that did. */
  end(): number[] {
    this.#child.kill('SIGINT')
    const there = new Set(this.#numbers())
    return Array.from({ length: Math.max(...there) }, (_, at) => at + 1).filter(
      (number) => !there.has(number),
    )
  }
}

describe.skipIf('missing' in bird)('while two hosts ping each other through both routers', () => {
  const processes = new TortieProcesses()
  let network: Network
  let own: ChildProcess
  let peer: ChildProcess

  beforeAll(async () => {
    await processes.build()
    network = new Network(processes, 'root' in bird ? bird.root : '')
    own = network.startOwn()
    peer = network.startPeer(false)
    await network.converged()
    for (const [router, other] of [
      [network.own, 2],
      [network.peer, 1],
    ] as const) {
      for (const family of FAMILIES) {
        await eventually(
          'the route in the kernel',
          10,
          () => network.routes(router, family).includes(networkOf(family, other)),
          () => `${network.routes(router, family)}\n${network.logs()}`,
        )
      }
    }
  })

  afterAll(() => {
    network?.close()
    processes.remove()
  })

  /**
   * Pings in both families before, during and after `action`; nothing may be lost.
   * @returns what was told of routes between the hosts on either router: changes, removals
   */
  async function undisturbed(
    action: () => Promise<void>,
  ): Promise<{ readonly own: string[]; readonly peer: string[] }> {
    const ownRoutes = await network.watchRoutes(network.own)
    const peerRoutes = await network.watchRoutes(network.peer)
    const pings = FAMILIES.map((family) => network.ping(family))
    const more = (): Promise<unknown> => Promise.all(pings.map((ping) => ping.more(ECHOES)))
    await more()
    await action()
    await more()
    expect(pings.map((ping) => ping.end())).toEqual([[], []])
    return { own: ownRoutes.end(), peer: peerRoutes.end() }
  }

  /** Starts our daemon again and waits until it has put its routes in order. */
  async function startOwnAgain(): Promise<void> {
    network.addLeftover()
    own = network.startOwn()
    await network.converged()
    await eventually(
      'the end of what nobody announces any more',
      30,
      () => !network.routes(network.own, 4).includes(LEFTOVER),
      () => network.logs(),
    )
  }

  const noSession = (): Promise<unknown> =>
    eventually(
      'the peer to notice',
      10,
      () => !network.peerSays('show', 'protocols').includes('Established'),
    )

  it('no packet is lost when tortie bgpd is killed and started again', async () => {
    const changes = await undisturbed(async () => {
      own.kill('SIGKILL')
      await noSession()
      await startOwnAgain()
    })
    expect(changes).toEqual({ own: [], peer: [] })
  })

  it('no packet is lost when tortie bgpd stops gracefully and is started again', async () => {
    const changes = await undisturbed(async () => {
      await network.tellOwn('stop', '--graceful')
      await noSession()
      await startOwnAgain()
    })
    expect(changes).toEqual({ own: [], peer: [] })
  })

  it('no packet is lost when BIRD is killed and started again', async () => {
    const changes = await undisturbed(async () => {
      peer.kill('SIGKILL')
      await eventually('Tortie to notice', 10, async () => {
        return !(await network.tellOwn('neighbors')).includes('Established')
      })
      peer = network.startPeer(true)
      await network.converged()
    })
    expect(changes.own).toEqual([])
    // BIRD writes its IPv6 routes over what it finds, without taking them out.
    expect(changes.peer.filter((line) => line.includes('Deleted'))).toEqual([])
  })

  it('packets are lost when tortie bgpd stops for good: the measure can fail', async () => {
    const ping = network.ping(4)
    await ping.more(ECHOES)
    own.kill('SIGTERM')
    await eventually(
      'the end of the route',
      10,
      () => !network.routes(network.peer, 4).includes(networkOf(4, 1)),
    )
    own = network.startOwn()
    await network.converged()
    await ping.more(ECHOES)
    expect(ping.end().length).toBeGreaterThan(0)
  })
})
