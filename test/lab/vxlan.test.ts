import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '../../src/lib/log.ts'
import type { ResourceOf } from '../../src/model/resource.ts'
import { labPath } from '../../src/main/lab-paths.ts'
import { openEtcdStore } from '../../src/main/open-etcd-store.ts'
import { systemClock } from '../../src/platform/node/clock.ts'
import { systemRandom } from '../../src/platform/node/random.ts'
import { Resources } from '../../src/store/resources.ts'
import { canRunLabs, say, TestLab, tortie } from './tortie.ts'

const SOURCE = 'network-5z4qp'
const NEAR = '10.211.1.4'
const FAR = '10.211.3.5'

/** Of the last echo that `ping` has told of. */
const lastSequence = (output: string): number =>
  Number(
    output
      .match(/icmp_seq=(\d+)/g)
      ?.at(-1)
      ?.split('=')[1],
  )

type Modes = Pick<ResourceOf<'IPPool'>['spec'], 'ipipMode' | 'vxlanMode'>

async function change(lab: string, work: (resources: Resources) => Promise<unknown>) {
  const store = await openEtcdStore(`unix:${labPath(lab, 'store.sock')}`)
  const ports = { store, clock: systemClock, random: systemRandom, log: silentLog }
  await work(new Resources(ports))
  store.close()
}

const setModes = (lab: string, modes: Modes): Promise<void> =>
  change(lab, (resources) =>
    resources.modify('IPPool', 'default-ipv4-ippool', ({ spec }) => {
      Object.assign(spec, modes)
    }),
  )

const setFelix = (lab: string, spec: object): Promise<void> =>
  change(lab, (resources) =>
    resources.apply({ kind: 'FelixConfiguration', metadata: { name: 'default' }, spec }),
  )

/** Changes the modes under a ping until the way there is the one that is awaited, and answers the loss. */
async function lossWhile(
  lab: TestLab,
  target: string,
  changes: readonly (readonly [modes: Modes, node: string, block: string, way: string])[],
): Promise<string> {
  const ping = lab.beside(SOURCE, 'ping', '-i', '0.01', target)
  await ping.until(/icmp_seq=20 /)
  for (const [modes, node, block, way] of changes) {
    await setModes(lab.name, modes)
    // For a while routes have the way of before too, behind the one of now.
    const isFirst = (route: string): boolean => /via \S+ dev \S+/.exec(route)?.[0] === way
    while (!isFirst(lab.in(node, 'ip', 'route', 'show', block))) {
      expect(ping.child.exitCode).toBeNull()
    }
  }
  await ping.until(new RegExp(`icmp_seq=${lastSequence(ping.output) + 50} `))
  return /[\d.]+% packet loss/.exec(await ping.stop())?.[0] ?? 'no answer'
}

const always: Modes = { ipipMode: 'Never', vxlanMode: 'Always' }
const crossSubnet: Modes = { ipipMode: 'Never', vxlanMode: 'CrossSubnet' }
const ipip: Modes = { ipipMode: 'CrossSubnet', vxlanMode: 'Never' }

/* VXLAN without BGP: the blocks are read in the datastore. Debian's tools are the witnesses. */
describe.skipIf(!canRunLabs('VXLAN between nodes'))('VXLAN', () => {
  describe.each([
    ['real', []],
    ['simulated', ['--simulated']],
  ] as const)('in CrossSubnet on the %s kernel', (kernel, options) => {
    let lab: TestLab

    beforeAll(() => {
      lab = new TestLab('vxlan', `vx${kernel}${process.pid}`, ...options)
    })
    afterAll(() => {
      lab.down()
      expect(say('lab', 'list')).not.toContain(lab.name)
    })

    it('reaches a node in another subnet with the very first packet, both ways', () => {
      expect(lab.in(SOURCE, 'ping', '-c', '1', '-W', '5', FAR)).toContain('ttl=62')
      expect(lab.in('network-x7rtl', 'ping', '-c', '1', '-W', '5', '10.211.2.4')).toContain(
        'ttl=62',
      )
      expect(lab.in(SOURCE, 'ping', '-c', '1', '-W', '5', NEAR)).toContain('ttl=62')
    })

    it('has the routes of Calico: by vxlan.calico to the other subnet, bare in its own', () => {
      const routes = lab.in('server01', 'ip', 'route')
      expect(routes).toMatch(/^blackhole 10\.211\.0\.0\/24 proto 80/m)
      expect(routes).toMatch(
        /^10\.211\.3\.0\/24 via 10\.211\.3\.1 dev vxlan\.calico proto 80 onlink/m,
      )
      expect(routes).toMatch(/^10\.211\.1\.0\/24 via 172\.16\.170\.129 dev ens33 proto 80 onlink/m)
      expect(routes).not.toContain('bird')
    })

    it('has a link, forwarding entries and neighbors as Calico makes them', () => {
      const link = lab.in('server01', 'ip', '-d', 'link', 'show', 'vxlan.calico')
      expect(link).toMatch(
        /vxlan id 4096 local 172\.16\.170\.128 dev ens33 (?:.*)dstport 4789 nolearning/,
      )
      expect(link).toMatch(/mtu 1450 /)
      const addresses = lab.in('server01', 'ip', '-4', 'address', 'show', 'dev', 'vxlan.calico')
      expect(addresses).toMatch(/inet 10\.211\.0\.1\/32 scope global/)
      const mac = /66(:[0-9a-f]{2}){5}/.exec(
        lab.in('server04', 'ip', 'link', 'show', 'vxlan.calico'),
      )![0]
      const forwarding = lab.in('server01', 'bridge', 'fdb', 'show', 'dev', 'vxlan.calico')
      expect(forwarding).toContain(`${mac} dst 172.16.171.128 self permanent`)
      expect(forwarding.trim().split('\n')).toHaveLength(3)
      const neighbors = lab.in('server01', 'ip', 'neigh', 'show', 'dev', 'vxlan.calico')
      expect(neighbors).toContain(`10.211.3.1 lladdr ${mac} PERMANENT`)
      const node = say('get', 'node', 'server04', '-o', 'yaml', '--lab', lab.name)
      expect(node).toContain('ipv4VXLANTunnelAddr: 10.211.3.1')
      expect(node).toContain(`vxlanTunnelMACAddr: ${mac}`)
    })

    it('gives pods an MTU that leaves room for 50 octets', () => {
      expect(lab.in(SOURCE, 'ip', 'link', 'show', 'eth0')).toContain('mtu 1450 ')
    })

    it('is seen at every capture point of a trace, vxlan.calico included', () => {
      const { stdout, status } = tortie('trace', SOURCE, 'network-x7rtl', '--lab', lab.name)
      expect(stdout).toMatch(/✓ server01 +vxlan\.calico +out +63 +63/)
      expect(stdout).toContain('in VXLAN (UDP 4789, VNI 4096) 172.16.170.128 > 172.16.171.128')
      expect(stdout).toMatch(/✓ server04 +vxlan\.calico +in +63 +63/)
      expect(status).toBe(0)
    })

    it('is seen there on another port, with another network identifier, while that is said', async () => {
      const traced = (): string =>
        tortie('trace', SOURCE, 'network-x7rtl', '--lab', lab.name).stdout
      const said = (words: string) =>
        expect.poll(traced, { timeout: 20_000 }).toContain(`in VXLAN (${words}) 172.16.170.128`)
      await setFelix(lab.name, { vxlanPort: 8472, vxlanVNI: 77 })
      await said('UDP 8472, VNI 77')
      await expect.poll(traced, { timeout: 20_000 }).toContain('✓ Delivered and answered')
      expect(traced()).toMatch(/✓ server04 +ens33 +in +/)
      await setFelix(lab.name, {})
      await said('UDP 4789, VNI 4096')
    })
  })

  describe('on the real kernel', () => {
    let lab: TestLab

    beforeAll(() => {
      lab = new TestLab('vxlan', `vxlan${process.pid}`)
    })
    afterAll(() => {
      lab.down()
    })

    it('carries the largest packet of a pod whole', () => {
      const whole = ['ping', '-c', '1', '-W', '5', '-M', 'do', '-s', '1422', FAR]
      expect(lab.in(SOURCE, ...whole)).toContain('1430 bytes from')
    })

    it('is read by tcpdump as outer headers of node addresses around the packet', async () => {
      const filter = ['-n', '-l', '-v', '-c', '2', 'udp', 'port', '4789']
      const dumps = ['server01', 'server04'].map((node) =>
        lab.beside(node, 'tcpdump', '-i', 'ens33', ...filter),
      )
      for (const dump of dumps) await dump.until(/listening on/)
      lab.in(SOURCE, 'ping', '-c', '1', FAR)
      for (const dump of dumps) await dump.ended()
      for (const { output } of dumps) {
        expect(output).toMatch(
          /172\.16\.170\.128\.\d+ > 172\.16\.171\.128\.4789: VXLAN, .*vni 4096/,
        )
        expect(output).toMatch(
          /172\.16\.171\.128\.\d+ > 172\.16\.170\.128\.4789: VXLAN, .*vni 4096/,
        )
        expect(output).toMatch(/ttl 63, .*\n.*10\.211\.0\.6 > 10\.211\.3\.5: ICMP echo request/)
      }
      const outer = ({ output }: { output: string }) => /ttl (\d+), .*proto UDP/.exec(output)?.[1]
      expect(dumps.map(outer)).toEqual(['64', '63'])
    })

    it('loses no packet while agents are killed and started again', async () => {
      const ping = lab.beside(SOURCE, 'ping', '-i', '0.01', FAR)
      await ping.until(/icmp_seq=20 /)
      for (const node of ['server01', 'server04']) say('lab', 'restart', node, '--lab', lab.name)
      const seen = lastSequence(ping.output)
      await ping.until(new RegExp(`icmp_seq=${seen + 100} `))
      expect(await ping.stop()).toMatch(/ 0% packet loss/)
    })

    it('writes again what somebody takes away', async () => {
      const mac = /66(:[0-9a-f]{2}){5}/.exec(
        lab.in('server04', 'ip', 'link', 'show', 'vxlan.calico'),
      )![0]
      lab.in('server01', 'bridge', 'fdb', 'del', mac, 'dev', 'vxlan.calico')
      lab.in('server01', 'ip', 'neigh', 'del', '10.211.3.1', 'dev', 'vxlan.calico')
      lab.in('server01', 'ip', 'route', 'del', '10.211.3.0/24')
      lab.in('server02', 'ip', 'link', 'del', 'vxlan.calico')
      const answers = lab.beside(SOURCE, 'ping', '-i', '0.05', FAR)
      await answers.until(/icmp_seq=\d+ ttl=62/)
      await answers.stop()
      const others = lab.beside('network-mngxw', 'ping', '-i', '0.05', FAR)
      await others.until(/icmp_seq=\d+ ttl=62/)
      await others.stop()
    })

    it('moves to VXLAN for all, and back, without losing a packet', async () => {
      const block = '10.211.1.0/24'
      const loss = await lossWhile(lab, NEAR, [
        [always, 'server01', block, 'via 10.211.1.1 dev vxlan.calico'],
        [crossSubnet, 'server01', block, 'via 172.16.170.129 dev ens33'],
      ])
      expect(loss).toBe('0% packet loss')
    })
  })

  it('carries packets between nodes of one subnet where the mode is Always, and makes way for IPIP', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tortie-vxlan-'))
    const file = join(folder, 'always.yaml')
    const text = say('lab', 'up', 'vxlan', '--show')
    writeFileSync(
      file,
      text
        .replace('vxlanMode: CrossSubnet', 'vxlanMode: Always')
        .replace('Enabled: false', 'Enabled: true'),
    )
    const lab = new TestLab(file, `vxalways${process.pid}`)
    try {
      const routes = lab.in('server01', 'ip', 'route')
      expect(routes).toMatch(
        /^10\.211\.1\.0\/24 via 10\.211\.1\.1 dev vxlan\.calico proto 80 onlink/m,
      )
      expect(lab.in(SOURCE, 'ping', '-c', '1', '-W', '5', NEAR)).toContain('ttl=62')
      expect(lab.in('network-mngxw', 'ping', '-c', '1', '-W', '5', '10.211.0.6')).toContain(
        'ttl=62',
      )
      expect(lab.in(SOURCE, 'ping', '-c', '1', '-W', '5', FAR)).toContain('ttl=62')
      const block = '10.211.3.0/24'
      const loss = await lossWhile(lab, FAR, [
        [ipip, 'server01', block, 'via 172.16.171.128 dev tunl0'],
        [crossSubnet, 'server01', block, 'via 10.211.3.1 dev vxlan.calico'],
      ])
      expect(loss).toBe('0% packet loss')
      // The link goes last, and takes no route with it that has a second way by then.
      const last = lab.beside(SOURCE, 'ping', '-i', '0.005', FAR)
      await last.until(/icmp_seq=20 /)
      await setModes(lab.name, ipip)
      for (const node of ['server01', 'server04']) {
        const links = () => lab.in(node, 'ip', '-o', 'link')
        await expect.poll(links, { timeout: 15_000 }).not.toContain('vxlan.calico')
      }
      await last.until(new RegExp(`icmp_seq=${lastSequence(last.output) + 50} `))
      expect(await last.stop()).toContain(' 0% packet loss')
      // Pods take more at once, since 20 octets go outside now and no more 50.
      const [pod, host] = [SOURCE, 'server01'].map(
        (where) => () => lab.in(where, 'ip', '-o', 'link'),
      )
      await expect.poll(pod!, { timeout: 15_000 }).toMatch(/eth0@.* mtu 1480 /)
      expect(host!()).toMatch(/cali50914021272@.* mtu 1480 /)
    } finally {
      lab.down()
      rmSync(folder, { recursive: true })
    }
  })
})
