import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../support/command.ts'
import { unpackedPeer } from '../support/peer-packages.ts'
import { lacksUserModeLinux } from '../support/user-mode-linux.ts'
import { linkTo, MixedCluster, SITES, type SiteName } from './mixed-cluster.ts'

/* Tunnels of different making carry each other's packets: what is on the wire is IPIP, and nothing else. */

const birds = { bird2: unpackedPeer('bird2'), bird: unpackedPeer('bird') }
const rootOf = (name: keyof typeof birds): string => {
  const found = birds[name]
  return 'root' in found ? found.root : ''
}
const lack =
  lacksUserModeLinux() ??
  Object.values(birds).flatMap((bird) => ('missing' in bird ? `BIRD: ${bird.missing}` : []))[0] ??
  (existsSync('/usr/bin/etcd') ? undefined : 'etcd is not installed')
if (lack !== undefined) console.log(`Skipped: nodes of different kinds in one cluster: ${lack}`)

const MEBIOCTET = 1 << 20
const TCPDUMP_OPTIONS = ['-n', '-l', '-v', '--immediate-mode', '-i']
const PAIRS = SITES.flatMap((from) =>
  SITES.filter((to) => to !== from).map((to) => [from, to] as const),
)

describe.skipIf(lack !== undefined)('nodes of different kinds in one cluster', () => {
  let cluster: MixedCluster

  beforeAll(async () => {
    cluster = await MixedCluster.up({ bird2: rootOf('bird2'), bird: rootOf('bird') })
  })
  afterAll(async () => {
    await cluster?.close()
  })

  const route = (from: SiteName, to: SiteName): Promise<string> =>
    cluster.sites[from].onNode(`ip route show ${cluster.sites[to].pod.replace(/5$/, '0/24')}`)

  it.each([
    ['programs', 'not the module’s', false],
    ['module', 'the module’s', true],
    ['bird2', 'the module’s', true],
    ['bird', 'the module’s', true],
  ] as const)('has a tunl0 on %s that is %s', async (name, _, isModules) => {
    const shown = await cluster.sites[name].onNode('ip -d link show tunl0')
    expect(shown.includes('ipip any remote any local any')).toBe(isModules)
  })

  it.each(PAIRS)(
    'learns by BGP on %s that the pods of %s are behind the tunnel',
    async (from, to) => {
      const { address } = cluster.sites[to]
      let shown = ''
      await eventually(
        'the route',
        15,
        async () => (shown = await route(from, to)).includes(`via ${address} dev tunl0 proto bird`),
        () => shown,
      )
      // BIRD 1.6 has no word for it.
      expect(shown.includes('onlink')).toBe(from !== 'bird')
    },
  )

  it.each(PAIRS)('lets the pod of %s reach the pod of %s', async (from, to) => {
    const { sites } = cluster
    const ping = (...options: string[]): Promise<string> =>
      sites[from].inPod(['ping', ...options, sites[to].pod].join(' '))
    expect(await ping('-c', '3', '-i', '0.1', '-W', '5')).toContain(' 0% packet loss')
    expect(await ping('-c', '1', '-W', '5', '-M', 'do', '-s', '1452')).toContain(' 0% packet loss')
  })

  it.each(['module', 'bird2', 'bird'] as const)(
    'carries a mebioctet of TCP from the pod of %s to that of programs',
    async (from) => {
      const { pod } = cluster.sites.programs
      const listening = cluster.besidePrograms(
        process.execPath,
        '-e',
        `require('net').createServer((socket) => {
          let octets = 0
          socket.on('data', (data) => (octets += data.length))
          socket.on('end', () => console.log('octets ' + octets))
        }).listen(4000, () => console.log('listening'))`,
      )
      let said = ''
      for (const stream of [listening.stdout!, listening.stderr!])
        stream.on('data', (text) => (said += String(text)))
      const explain = (): string => said
      try {
        await eventually('the listener', 10, () => said.includes('listening'), explain)
        const send = `const to = require("net").connect(4000, "${pod}", () => to.end(Buffer.alloc(${MEBIOCTET})))`
        await cluster.sites[from].inPod(`${process.execPath} -e "${send.replaceAll('"', '\\"')}"`)
        await eventually('the octets', 10, () => said.includes(`octets ${MEBIOCTET}`), explain)
      } finally {
        listening.kill()
      }
    },
  )

  it.each(PAIRS)('puts what %s sends to %s into one outer header', async (from, to) => {
    const { sites } = cluster
    const [source, destination] = [sites[from].address, sites[to].address]
    const dump = cluster.onRouter(
      'tcpdump',
      ...TCPDUMP_OPTIONS,
      linkTo(to),
      `ip proto 4 and src ${source} and dst ${destination}`,
    )
    let said = ''
    for (const stream of [dump.stdout!, dump.stderr!])
      stream.on('data', (text) => (said += String(text)))
    await eventually('tcpdump', 10, () => said.includes('listening on'))
    await sites[from].inPod(`ping -c 1 -W 5 -t 20 ${sites[to].pod}`)
    const inner = `${sites[from].pod} > ${sites[to].pod}: ICMP echo request`
    await eventually(
      'the packet',
      5,
      () => said.includes(inner),
      () => said,
    )
    dump.kill()
    expect(said).toMatch(/ttl 18, .*proto IPIP \(4\)/)
    expect(said).toMatch(/ttl 19, .*proto ICMP \(1\)/)
  })
})
