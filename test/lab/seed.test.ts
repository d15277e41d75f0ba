import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canRunLabs, say, TestLab } from './tortie.ts'

/*
 * Every observation of the twelve steps in which an engineer followed one ping through a Calico cluster
 * by hand, made again with the same tools: Debian's ip, ping and tcpdump look, the product does.
 */

const SOURCE = 'network-5z4qp'
const TARGET = 'network-mngxw'

describe.skipIf(!canRunLabs('the twelve steps of the seed'))('the twelve steps', () => {
  let lab: TestLab
  const get = (...args: string[]): string => say('get', ...args, '--lab', lab.name)

  beforeAll(() => {
    lab = new TestLab('seed', `seed${process.pid}`)
  })

  afterAll(() => {
    lab.down()
  })

  /** What tcpdump says of one ping: the TTL of the request and of the reply, as it passes `link`. */
  async function seenTtls(where: string, link: string, target: string): Promise<[number, number]> {
    const tcpdump = lab.beside(where, 'tcpdump', '-i', link, '-n', '-l', '-v', '-c', '2', 'icmp')
    await tcpdump.until(/listening on/)
    lab.in(SOURCE, 'ping', '-c', '1', target)
    await tcpdump.ended()
    const ttls = [...tcpdump.output.matchAll(/ttl (\d+),[^\n]*\n[^\n]*ICMP echo (request|reply)/g)]
    const of = (kind: string): number => Number(ttls.find((match) => match[2] === kind)?.[1])
    return [of('request'), of('reply')]
  }

  it('step 1: nodes and pods have the names and addresses of the seed', () => {
    const nodes = get('node', '-o', 'wide')
    for (const [name, address] of [
      ['server01', '172.16.170.128/24'],
      ['server02', '172.16.170.129/24'],
      ['server03', '172.16.170.130/24'],
    ]) {
      expect(nodes).toMatch(new RegExp(`^${name} .*${address}`, 'm'))
    }
    const pods = get('workloadendpoint', '-A')
    for (const [pod, node, address] of [
      ['network-5z4qp', 'server01', '10.211.0.6/32'],
      ['network-6k87z', 'server03', '10.211.2.4/32'],
      ['network-mngxw', 'server02', '10.211.1.4/32'],
      ['coredns-777d78ff6f-6sjt5', 'server01', '10.211.0.3/32'],
      ['coredns-777d78ff6f-mr977', 'server01', '10.211.0.2/32'],
    ]) {
      expect(pods).toMatch(new RegExp(`${pod} +${node} +${address} `))
    }
  })

  it('step 2: the command line answers for the cluster', () => {
    expect(get('ippool', '-o', 'wide')).toMatch(/10\.211\.0\.0\/16 .*CrossSubnet/)
  })

  it('step 3: workload endpoints, as a table and as YAML', () => {
    expect(get('workloadendpoint', '-n', 'default').trimEnd().split('\n')).toEqual(
      [
        'NAMESPACE   WORKLOAD        NODE       NETWORKS        INTERFACE         ',
        'default     network-5z4qp   server01   10.211.0.6/32   cali50914021272   ',
        'default     network-6k87z   server03   10.211.2.4/32   calif17d1193010   ',
        'default     network-mngxw   server02   10.211.1.4/32   calid406b8b6c93   ',
      ].map((line, at, all) => (at === all.length - 1 ? line.trimEnd() : line)),
    )
    const list = get('workloadendpoint', '-n', 'default', '-o', 'yaml')
    expect(list).toMatch(/^apiVersion: projectcalico.org\/v3\nitems:\n/)
    expect(list).toMatch(/\nkind: WorkloadEndpointList\nmetadata:/)
    const one = get(
      'workloadendpoint',
      'server01-k8s-network--5z4qp-eth0',
      '-n',
      'default',
      '-o',
      'yaml',
    )
    for (const line of [
      'kind: WorkloadEndpoint',
      '    app: network',
      '    controller-revision-hash: "66086030"',
      '    pod-template-generation: "1"',
      '    projectcalico.org/namespace: default',
      '    projectcalico.org/orchestrator: k8s',
      '  name: server01-k8s-network--5z4qp-eth0',
      '  namespace: default',
      '  endpoint: eth0',
      '  interfaceName: cali50914021272',
      '  ipNetworks:',
      '  - 10.211.0.6/32',
      '  node: server01',
      '  orchestrator: k8s',
      '  pod: network-5z4qp',
      '  profiles:',
      '  - kns.default',
    ]) {
      expect(one.split('\n')).toContain(line)
    }
  })

  it('step 4: the pod has its address, no neighbor before and the proxy’s after a ping', () => {
    lab.in(SOURCE, 'ip', 'neigh', 'flush', 'all')
    expect(lab.in(SOURCE, 'ip', 'link', 'show', 'eth0')).toMatch(
      /eth0@if\d+: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500/,
    )
    expect(lab.in(SOURCE, 'ip', 'address', 'show', 'eth0')).toContain(
      'inet 10.211.0.6/32 scope global eth0',
    )
    expect(lab.in(SOURCE, 'ip', 'neigh')).toBe('')
    const ping = lab.in(SOURCE, 'ping', '-c', '3', '-i', '0.2', '10.211.0.1')
    expect(ping.match(/64 bytes from 10\.211\.0\.1: icmp_seq=\d ttl=64/g)).toHaveLength(3)
    expect(ping).toContain('3 packets transmitted, 3 received, 0% packet loss')
    expect(lab.in(SOURCE, 'ip', 'neigh').trim()).toBe(
      '169.254.1.1 dev eth0 lladdr ee:ee:ee:ee:ee:ee REACHABLE',
    )
  })

  it('step 5: the node has the host ends, its own address and that of tunl0', () => {
    const link = lab.in('server01', 'ip', 'link', 'show', 'cali50914021272')
    expect(link).toMatch(/cali50914021272@if\d+: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500/)
    expect(link).toContain('link/ether ee:ee:ee:ee:ee:ee')
    const addresses = lab.in('server01', 'ip', 'address')
    expect(addresses).toContain('inet 172.16.170.128/24 brd 172.16.170.255 scope global ens33')
    expect(addresses).toMatch(/inet 10\.211\.0\.1\/32 (brd 10\.211\.0\.1 )?scope global tunl0/)
    expect(addresses).toMatch(/tunl0.* mtu 1440 /)
    for (const name of ['cali009d9b46eef', 'calib99e709bd2c'])
      expect(addresses).toContain(`${name}@`)
  })

  it('step 6: a ping to the node passes the host end with TTL 64 both ways', async () => {
    expect(await seenTtls('server01', 'cali50914021272', '10.211.0.1')).toEqual([64, 64])
  })

  it('step 7: the node’s routes: own block, own pods, the other nodes’ blocks', () => {
    const lines = lab
      .in('server01', 'ip', 'route')
      .split('\n')
      .map((line) => line.trim())
    for (const line of [
      'blackhole 10.211.0.0/24 proto bird',
      '10.211.0.2 dev cali009d9b46eef scope link',
      '10.211.0.3 dev calib99e709bd2c scope link',
      '10.211.0.6 dev cali50914021272 scope link',
      '10.211.1.0/24 via 172.16.170.129 dev ens33 proto bird',
      '10.211.2.0/24 via 172.16.170.130 dev ens33 proto bird',
    ]) {
      expect(lines).toContain(line)
    }
  })

  it('step 8: the ping leaves the node bare, with TTL 63, and comes back with 62', async () => {
    expect(await seenTtls('server01', 'ens33', '10.211.1.4')).toEqual([63, 63])
    expect(lab.in(SOURCE, 'ping', '-c', '1', '10.211.1.4')).toMatch(
      /from 10\.211\.1\.4: icmp_seq=1 ttl=62/,
    )
  })

  it('step 9: it arrives at the other node with TTL 63', async () => {
    expect(await seenTtls('server02', 'ens33', '10.211.1.4')).toEqual([63, 63])
  })

  it('step 10: the other node has a route to the pod', () => {
    const lines = lab
      .in('server02', 'ip', 'route')
      .split('\n')
      .map((line) => line.trim())
    expect(lines).toContain('10.211.1.4 dev calid406b8b6c93 scope link')
  })

  it('step 11: it passes the other host end with TTL 62, the reply with 64', async () => {
    expect(lab.in('server02', 'ip', 'link', 'show', 'calid406b8b6c93')).toContain(
      'ee:ee:ee:ee:ee:ee',
    )
    expect(await seenTtls('server02', 'calid406b8b6c93', '10.211.1.4')).toEqual([62, 64])
  })

  it('step 12: it reaches the pod’s own interface with TTL 62', async () => {
    expect(lab.in(TARGET, 'ip', 'address')).toContain('inet 10.211.1.4/32 scope global eth0')
    expect(await seenTtls(TARGET, 'eth0', '10.211.1.4')).toEqual([62, 64])
  })

  it('all in one: the trace sees the same ladder and says that it was delivered', () => {
    const text = say('trace', SOURCE, TARGET, '--lab', lab.name, '-o', 'json')
    expect(JSON.parse(text)).toMatchObject({ kind: 'Trace' })
    expect(text).toContain('cali50914021272')
  })
})
