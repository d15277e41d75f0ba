import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Namespaces } from './namespaces.ts'
import { lacksUserModeLinux, UserModeLinux } from './user-mode-linux.ts'

const lack = lacksUserModeLinux()
if (lack !== undefined) console.log(`Skipped: user-mode Linux: ${lack}`)

describe.skipIf(lack !== undefined)('user-mode Linux', () => {
  let kernel: UserModeLinux
  let namespaces: Namespaces

  beforeAll(async () => {
    namespaces = new Namespaces('uml')
    const namespace = namespaces.add('lan')
    namespaces.batch(namespace, [
      'tuntap add tap0 mode tap',
      'addr add 192.0.2.1/24 dev tap0',
      'link set tap0 up',
    ])
    kernel = await UserModeLinux.start({ network: { namespace, tap: 'tap0' } })
  })

  afterAll(async () => {
    await kernel.close()
    namespaces.close()
    expect(existsSync(kernel.folder)).toBe(false)
  })

  it('runs commands beside each other and tells how each ended', async () => {
    const [slow, quick] = await Promise.all([
      kernel.run('sleep 0.5; echo slow; exit 3'),
      kernel.run('echo quick; echo aside >&2'),
    ])
    expect(slow).toEqual({ status: 3, stdout: 'slow\n', stderr: '' })
    expect(quick).toEqual({ status: 0, stdout: 'quick\n', stderr: 'aside\n' })
  })

  it('loads modules when the kernel is asked for what they bring', async () => {
    const said = await kernel.say(
      'ip link add dev probe type ipip remote 192.0.2.9 && ip -d link show tunl0',
    )
    expect(said).toContain('ipip any remote any local any')
  })

  it('cannot write to this machine except into its folder', async () => {
    const { status, stderr } = await kernel.run('touch /usr/tortie-was-here')
    expect(status).not.toBe(0)
    expect(stderr).toContain('Read-only file system')
  })

  it('reaches a namespace of this machine by its network card', async () => {
    await kernel.say('ip addr add 192.0.2.2/24 dev vec0 && ip link set vec0 up')
    expect(await kernel.say('ping -c 1 -W 5 192.0.2.1')).toContain(' 0% packet loss')
  })
})
