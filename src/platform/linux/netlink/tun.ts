import { INTERFACE_NAME_OCTETS_MAX } from '../../../net/interface-name.ts'
import { existsSync, mkdirSync } from 'node:fs'
import { KernelError } from '../../../kernel/kernel.ts'
import type { Context } from './context.ts'
import { checked } from '../process/libc.ts'

const PATH = '/dev/net/tun'
const O_RDWR = 2
const O_CLOEXEC = 0o2_000_000
/** linux/if_tun.h */
const TUNSETIFF = 0x4004_54ca
const TUNSETPERSIST = 0x4004_54cb
const IFF_TUN = 0x0001
const IFF_NO_PI = 0x1000
/** Fails where the name is taken, also by a TUN device that waits for a process. */
const IFF_TUN_EXCL = 0x8000
const IFREQ_OCTETS = 40
const IFNAMSIZ = INTERFACE_NAME_OCTETS_MAX + 1

/** Makes a TUN device that stays when the descriptor that made it is closed. */
export function createTun(context: Context, linkName: string): void {
  const { libc, name } = context
  const what = `Create link ${linkName} (tun) on ${name}`
  const request = Buffer.alloc(IFREQ_OCTETS)
  if (Buffer.byteLength(linkName) >= IFNAMSIZ) {
    throw new KernelError('EINVAL', `${what}: a name has at most ${IFNAMSIZ - 1} octets`)
  }
  request.write(linkName)
  request.writeUInt16LE(IFF_TUN | IFF_NO_PI | IFF_TUN_EXCL, IFNAMSIZ)
  ensureDevice((path) => libc.makeNode(path, 0o020666, (10 << 8) | 200))
  context.inside(() => {
    const fd = checked(`${what}: open ${PATH}`, libc.open(PATH, O_RDWR | O_CLOEXEC, 0))
    try {
      const made = libc.ioctl(fd, TUNSETIFF, request)
      // With IFF_TUN_EXCL a taken name is EBUSY; every other kind of link says EEXIST.
      if (made === -16) throw new KernelError('EEXIST', what)
      checked(what, made)
      checked(what, libc.ioctl(fd, TUNSETPERSIST, 1))
    } finally {
      libc.close(fd)
    }
  })
}

/** Containers often come without the device node: character device 10, 200. */
function ensureDevice(makeNode: (path: string) => number): void {
  if (existsSync(PATH)) return
  mkdirSync('/dev/net', { recursive: true })
  makeNode(PATH)
}
