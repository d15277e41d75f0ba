import { mkdirSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canRunLabs } from '../lab/tortie.ts'
import { RuntimeHost, unpackedRoots } from './runtime-host.ts'

const what = 'podman'
const roots = canRunLabs(what)
  ? unpackedRoots(
      'podman',
      'containerd',
      'containernetworking-plugins',
      'iptables',
      'busybox-static',
    )
  : { missing: 'it needs a lab' }
if ('missing' in roots) console.log(`${what}: skipped, ${roots.missing}`)

/** Debian's podman with its network by CNI. */
describe.skipIf('missing' in roots)('containers of podman', () => {
  let host: RuntimeHost

  beforeAll(() => {
    const all = roots as Record<string, string>
    const portmap = { type: 'portmap', capabilities: { portMappings: true } }
    host = new RuntimeHost('pod', all, [portmap])
    mkdirSync(host.path('etc/containers'), { recursive: true })
    const policy = { default: [{ type: 'insecureAcceptAnything' }] }
    writeFileSync(host.path('etc/containers/policy.json'), JSON.stringify(policy))
    const programs = `${all['podman']!}/usr`
    writeFileSync(
      host.path('etc/containers/containers.conf'),
      `[network]
network_backend = "cni"
cni_plugin_dirs = ["/opt/cni/bin"]
network_config_dir = "/etc/cni/net.d"
[engine]
conmon_path = ["${programs}/bin/conmon"]
events_logger = "file"
cgroup_manager = "cgroupfs"
[engine.runtimes]
runc = ["${all['containerd']!}/usr/sbin/runc"]
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
apparmor_profile = "unconfined"
seccomp_profile = "unconfined"
`,
    )
  })

  afterAll(async () => {
    podman('rm', '-f', '-a', '-t', '0')
    await host.close()
  })

  const podman = (...args: readonly string[]): string =>
    host.run(
      'podman',
      '--root',
      host.path('storage'),
      '--runroot',
      host.path('storage-run'),
      '--tmpdir',
      host.path('tmp'),
      '--storage-driver',
      'vfs',
      '--runtime',
      'runc',
      ...args,
    )
  const start = (...options: readonly string[]): string =>
    podman(
      'run',
      '-d',
      '--network',
      'k8s-pod-network',
      ...options,
      '--rootfs',
      host.path('rootfs'),
      '/bin/sleep',
      '600',
    ).trim()

  it.each([
    ['without a name', []],
    ['named with a dash at the end', ['--name', 'web-']],
    ['named in capitals', ['--name', 'Web_App']],
  ])('talk to pods of other nodes, %s', (_, options) => {
    const id = start(...options)
    expect(podman('exec', id, '/bin/ping', '-c1', '-W2', '10.211.1.4')).toContain('ttl=62')
    podman('rm', '-f', '-t', '0', id)
    expect(host.left()).toEqual([])
  })

  it('have the addresses that were asked for, and a gateway', () => {
    const id = start('--ip', '10.211.0.77', '--mac-address', '02:aa:bb:cc:dd:01')
    const [{ NetworkSettings: settings }] = JSON.parse(podman('inspect', id)) as [
      { NetworkSettings: { Networks: Record<string, object> } },
    ]
    expect(settings.Networks['k8s-pod-network']).toMatchObject({
      IPAddress: '10.211.0.77',
      MacAddress: '02:aa:bb:cc:dd:01',
      Gateway: '169.254.1.1',
    })
    podman('rm', '-f', '-t', '0', id)
  })

  it('are reached by a port of the node, from another node', () => {
    const id = start('-p', '8081:80')
    podman('exec', '-d', id, '/bin/httpd', '-p', '80', '-h', '/')
    podman('exec', id, '/bin/sh', '-c', 'echo hello > /hello')
    const page = host.lab.in(
      'server02',
      host.path('rootfs/bin/busybox'),
      'wget',
      '-q',
      '-O',
      '-',
      'http://172.16.170.128:8081/hello',
    )
    expect(page).toBe('hello\n')
    podman('rm', '-f', '-t', '0', id)
    expect(host.left()).toEqual([])
  })
})
