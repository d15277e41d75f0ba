import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canRunLabs } from '../lab/tortie.ts'
import { RuntimeHost, unpackedRoots } from './runtime-host.ts'

const what = 'libcni of Go, version 1.1'
const cnitool = process.env['TORTIE_CNITOOL']
const roots =
  cnitool === undefined || !canRunLabs(what)
    ? {
        missing:
          'set TORTIE_CNITOOL to the path of cnitool (containernetworking/cni); it needs a lab',
      }
    : unpackedRoots('containernetworking-plugins', 'iptables', 'busybox-static')
if ('missing' in roots) console.log(`${what}: skipped, ${roots.missing}`)

/** The library that most runtimes have, at its newest version, by the tool that comes with it. */
describe.skipIf('missing' in roots)('libcni 1.1', () => {
  const pod = `tool${process.pid}`
  let host: RuntimeHost

  beforeAll(() => {
    host = new RuntimeHost('tool', roots, [])
    const agentSocket = join(host.state, 'agent.sock')
    const capabilities = { ips: true, mac: true }
    const plugins = [{ type: 'tortie-cni', agentSocket, capabilities }]
    const list = { cniVersion: '1.1.0', name: 'k8s-pod-network', plugins }
    writeFileSync(host.path('etc/cni/net.d/10-tortie.conflist'), JSON.stringify(list))
    spawnSync('ip', ['netns', 'add', pod])
  })
  afterAll(async () => {
    spawnSync('ip', ['netns', 'del', pod])
    await host.close()
  })

  function tool(verb: string, interfaceName = 'eth0', capabilities: object = {}) {
    const environment = {
      CNI_PATH: '/opt/cni/bin',
      NETCONFPATH: '/etc/cni/net.d',
      CNI_IFNAME: interfaceName,
      CAP_ARGS: JSON.stringify(capabilities),
    }
    return host.tell('', environment, cnitool!, verb, 'k8s-pod-network', `/run/netns/${pod}`)
  }

  it('adds, checks and deletes, twice, with what is asked for', () => {
    expect(tool('status').status).toBe(0)
    const asked = { ips: ['10.211.0.88'], mac: '02:00:00:00:00:44' }
    const added = tool('add', 'eth0', asked)
    expect(JSON.parse(added.stdout)).toMatchObject({
      cniVersion: '1.1.0',
      interfaces: [{}, { name: 'eth0', mac: '02:00:00:00:00:44', sandbox: `/run/netns/${pod}` }],
      ips: [{ address: '10.211.0.88/32', gateway: '169.254.1.1', interface: 1 }],
      routes: [{ dst: '169.254.1.1/32' }, { dst: '0.0.0.0/0', gw: '169.254.1.1' }],
    })
    expect(tool('add', 'net1').status).toBe(0)
    expect([tool('check', 'eth0', asked).status, tool('check', 'net1').status]).toEqual([0, 0])
    spawnSync('ip', ['-n', pod, 'link', 'set', 'eth0', 'mtu', '1300'])
    expect(tool('check', 'eth0', asked).stderr).toContain('eth0 has an MTU of 1300, in prevResult')
    for (const name of ['net1', 'eth0', 'eth0']) expect(tool('del', name).status).toBe(0)
    expect(host.left()).toEqual([])
  })

  it('removes nothing at GC without saying what stays', () => {
    expect(tool('add').status).toBe(0)
    expect(tool('gc').stderr).toContain('cni.dev/valid-attachments is missing')
    expect(tool('del').status).toBe(0)
    expect(host.left()).toEqual([])
  })
})
