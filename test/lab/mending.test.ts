import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canRunLabs, TestLab, tortie } from './tortie.ts'

interface Status {
  readonly nodes: readonly { readonly name: string; readonly agent: { lacking?: string[] } }[]
  readonly programs: readonly { readonly pid: number; readonly what: string }[]
}

/** What a hand, a cable or a crash breaks on a node of the seed, and what becomes of it. */
describe.skipIf(!canRunLabs('damage to a node'))('a node that is damaged', () => {
  let lab: TestLab

  beforeAll(() => {
    lab = new TestLab('seed', `mend${process.pid}`)
  })

  afterAll(() => {
    lab.down()
  })

  const routes = (): string => lab.in('server01', 'ip', 'route')
  const status = (): Status =>
    JSON.parse(tortie('lab', 'status', lab.name, '-o', 'json').stdout) as Status
  const lacking = (node: string) => status().nodes.find(({ name }) => name === node)!.agent.lacking
  const deadline = { timeout: 10_000, interval: 100 }

  it.each([
    ['its own block is deleted', 'ip route del blackhole 10.211.0.0/24'],
    ['the route to a neighbor’s block is deleted', 'ip route del 10.211.1.0/24'],
    ['the route to a pod is deleted', 'ip route del 10.211.0.6'],
    ['a route is turned elsewhere', 'ip route replace 10.211.1.0/24 via 172.16.170.130 proto bird'],
    ['a route is added in its name', 'ip route add 10.211.77.0/24 via 172.16.170.130 proto bird'],
  ])('has its table again when %s', async (_, command) => {
    const before = routes()
    const monitor = await lab.monitorRoutes('server01')
    lab.in('server01', ...command.split(' '))
    // Once for the damage, once for its mending.
    await monitor.until(/10\.211\.[^\n]*\n[^\n]*10\.211\./)
    await monitor.stop()
    expect(routes()).toBe(before)
  })

  it('leaves alone what somebody else routes', () => {
    lab.in('server01', 'ip', 'route', 'add', '10.55.0.0/24', 'via', '172.16.170.130')
    lab.in('server01', 'ip', 'route', 'del', '10.211.1.0/24')
    expect(lacking('server01')).toEqual([])
    expect(routes()).toContain('10.55.0.0/24 via 172.16.170.130 dev ens33')
    expect(routes()).toContain('10.211.1.0/24 via 172.16.170.129 dev ens33 proto bird')
    lab.in('server01', 'ip', 'route', 'del', '10.55.0.0/24')
  })

  it.each([
    ['tunl0 is deleted', 'ip link del tunl0'],
    ['tunl0 is down', 'ip link set tunl0 down'],
    ['tunl0 has an address more', 'ip address add 10.9.9.9/32 dev tunl0'],
    ['tunl0 has no address', 'ip address del 10.211.0.1/32 dev tunl0'],
    ['tunl0 has another MTU', 'ip link set tunl0 mtu 1300'],
  ])('has its tunnel again when %s', async (_, command) => {
    const tunnel = (): string =>
      tortie('lab', 'exec', '--lab', lab.name, 'server01', '--', 'ip', 'address', 'show', 'tunl0')
        // The index is new when the device is, and so is a link-layer address where it has one.
        .stdout.replace(/^\d+: /, '')
        .replace(/link\/ether \S+/, 'link/ether')
    const before = tunnel()
    lab.in('server01', ...command.split(' '))
    await expect.poll(tunnel, deadline).toBe(before)
  })

  it.each([
    ['tunl0 has another name', 'ip link set tunl0 name other', 'other'],
    ['its other end is deleted', 'ip link del tunl0-inside', 'none'],
    ['its other end is down', 'ip link set tunl0-inside down', 'none'],
  ])('has its tunnel of programs again when %s', async (_, command, gone) => {
    const links = (): string => lab.in('server01', 'ip', '-br', 'link')
    if (!links().includes('tunl0-inside')) {
      console.log('Skipped: programs of tunl0, since this kernel has an ipip module')
      return
    }
    // Without indexes and link-layer addresses, which are new.
    const tunnel = (): string =>
      links()
        .split('\n')
        .filter((line) => line.includes('tunl0') || line.startsWith(gone))
        .map((line) => line.replace(/@if\d+|\S+:\S+/g, ''))
        .toSorted()
        .join('\n')
    const before = tunnel()
    lab.in('server01', ...command.split(' '))
    await expect.poll(tunnel, deadline).toBe(before)
    await expect.poll(() => lacking('server01'), deadline).toEqual([])
  })

  it.each([
    ['a pod’s link is down', 'ip link set cali50914021272 down'],
    ['it has another MAC address', 'ip link set cali50914021272 address 02:00:00:00:00:01'],
  ])('reaches its pod again when %s', async (_, command) => {
    const link = (): string => lab.in('server01', 'ip', '-br', 'link', 'show', 'cali50914021272')
    const before = link()
    lab.in('server01', ...command.split(' '))
    await expect.poll(link, deadline).toBe(before)
    expect(lab.in('network-5z4qp', 'ping', '-c1', '-W1', '10.211.1.4')).toContain('ttl=62')
  })

  it.each([
    ['forwarding of the node', 'ipv4.ip_forward', '0', '1'],
    ['forwarding of its uplink', 'ipv4.conf.ens33.forwarding', '0', '1'],
    ['forwarding of a pod’s link', 'ipv4.conf.cali50914021272.forwarding', '0', '1'],
    ['the answer to a pod’s ARP', 'ipv4.conf.cali50914021272.proxy_arp', '0', '1'],
    ['what the kernel tells nobody of', 'ipv4.conf.cali50914021272.route_localnet', '0', '1'],
    ['the filter of reverse paths', 'ipv4.conf.ens33.rp_filter', '1', '2'],
  ])('has its setting again when somebody changes %s', async (_, name, broken, right) => {
    const value = (): string => lab.in('server01', 'sysctl', '-n', `net.${name}`).trim()
    expect(value()).toBe(right)
    lab.in('server01', 'sysctl', '-wq', `net.${name}=${broken}`)
    await expect.poll(value, deadline).toBe(right)
    expect(lab.in('network-5z4qp', 'ping', '-c1', '-W1', '10.211.1.4')).toContain('ttl=62')
  })

  it.each(['ens33', 'tunl0-inside'])(
    'has the programs of its tunnel again when somebody takes them from %s',
    async (link) => {
      if (!lab.in('server01', 'ip', 'link').includes('tunl0-inside')) {
        console.log('Skipped: programs of tunl0, since this kernel has an ipip module')
        return
      }
      const filters = (): string =>
        ['ingress', 'egress']
          .map((hook) => lab.in('server01', 'tc', 'filter', 'show', 'dev', link, hook))
          .join('')
          // Of the program and its maps, which are made anew.
          .replace(/ (id|tag|jited) ?\S*|\d+ \d+ direct-action/g, '')
      const before = filters()
      expect(before).toContain('bpf')
      lab.in('server01', 'tc', 'qdisc', 'del', 'dev', link, 'clsact')
      await expect.poll(filters, deadline).toBe(before)
    },
  )

  it('has the routes again that went with an address of somebody else’s', async () => {
    const add = ['ip', 'address', 'add', '172.16.170.200/24', 'dev', 'ens33']
    lab.in('server01', ...add)
    const before = routes()
    // The kernel takes the first address of a network with all others and all routes, and tells of the addresses.
    lab.in(
      'server01',
      'sh',
      '-c',
      'ip address del 172.16.170.128/24 dev ens33; ip address add 172.16.170.128/24 dev ens33',
    )
    await expect
      .poll(() => routes().match(/via/g)?.length, deadline)
      .toBe(before.match(/via/g)!.length)
    expect(lab.in('network-5z4qp', 'ping', '-c1', '-W1', '10.211.1.4')).toContain('ttl=62')
  })

  it('tells what it cannot reach while its interface is down, and mends it afterwards', async () => {
    const before = routes()
    lab.in('server01', 'ip', 'link', 'set', 'ens33', 'down')
    expect(lacking('server01')).toEqual([
      'no route to 10.211.1.0/24 via 172.16.170.129',
      'no route to 10.211.2.0/24 via 172.16.170.130',
    ])
    expect(tortie('lab', 'status', lab.name).status).toBe(1)
    lab.in('server01', 'ip', 'link', 'set', 'ens33', 'up')
    await expect.poll(routes, deadline).toBe(before)
    expect(lacking('server01')).toEqual([])
  })

  it('keeps its routes while the store is dead, and says that it is', () => {
    const store = status().programs.find(({ what }) => what === 'store')!
    process.kill(store.pid, 'SIGKILL')
    const told = tortie('lab', 'status', lab.name)
    expect(told.stdout).toContain('The store is not running')
    expect(told.status).toBe(1)
    expect(lab.in('network-5z4qp', 'ping', '-c1', '-W1', '10.211.1.4')).toContain('ttl=62')
    lab.in('server01', 'ip', 'route', 'del', '10.211.1.0/24')
    expect(lab.in('network-5z4qp', 'ping', '-c1', '-W1', '10.211.1.4')).toContain('ttl=62')
  })

  it('tells of a pod whose interface is gone', () => {
    lab.in('server01', 'ip', 'link', 'del', 'cali50914021272')
    expect(lacking('server01')).toEqual(['cali50914021272 of 10.211.0.6 is missing'])
    const told = tortie('lab', 'status', lab.name)
    expect(told.stdout).toContain('cali50914021272 of 10.211.0.6 is missing')
    expect(told.status).toBe(1)
  })
})
