import koffi from 'koffi'
import { KernelError } from '../../../kernel/kernel.ts'
import { errnoName } from './errno.ts'

/**
 * The system calls that Node has no name for. Each returns what the kernel returns: a value of 0 or
 * more, or the errno made negative, so that no state lies between a call and its error. `checked`
 * turns the latter into a {@link KernelError}.
 *
 * All descriptors must be made close-on-exec (the *_CLOEXEC flags), or they leak into child processes.
 */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number
  bind(fd: number, address: Uint8Array): number
  connect(fd: number, address: Uint8Array): number
  listen(fd: number, backlog: number): number
  accept(fd: number): number
  socketName(fd: number, address: Uint8Array): number
  peerName(fd: number, address: Uint8Array): number
  setOption(fd: number, level: number, option: number, value: Uint8Array): number
  getOption(fd: number, level: number, option: number, value: Uint8Array): number
  receive(fd: number, into: Uint8Array, flags: number): number
  send(fd: number, octets: Uint8Array, flags: number): number
  sendTo(fd: number, octets: Uint8Array, flags: number, address: Uint8Array): number
  receiveMessage(fd: number, header: Uint8Array, flags: number): number
  open(path: string, flags: number, mode: number): number
  close(fd: number): number
  ioctl(fd: number, request: number, argument: Uint8Array | number): number
  setNamespace(fd: number, kind: number): number
  unshare(flags: number): number
  mount(source: string, target: string, type: string, flags: number): number
  unmount(target: string, flags: number): number
  lockFile(fd: number, operation: number): number
  makeNode(path: string, mode: number, device: number): number
  bpf(command: number, attributes: Uint8Array): number
  /** The address of memory that a structure points to. The array must outlive the call. */
  addressOf(octets: Uint8Array): bigint
}

type Raw = (...values: unknown[]) => number | bigint

const ACCEPT_FLAGS = 0o2_000_000 | 0o4_000 // SOCK_CLOEXEC | SOCK_NONBLOCK

/** `bpf` has no wrapper in libc; its number differs by architecture (asm/unistd.h). */
const SYS_BPF: Readonly<Record<string, number>> = { x64: 321, arm64: 280, riscv64: 280, ppc64: 361 }

export function loadLibc(): Libc {
  // The name is glibc's; on musl everything is in the program itself.
  const library = loadLibrary()
  const raw = (prototype: string): Raw => library.func(prototype) as Raw
  /** Calls and reads errno at once, before anything else of the runtime can overwrite it. */
  const wrap =
    (fn: Raw) =>
    (...values: unknown[]): number => {
      const result = Number(fn(...values))
      return result === -1 ? -koffi.errno() : result
    }
  const bind = wrap(raw('int bind(int, void *, uint32_t)'))
  const connect = wrap(raw('int connect(int, void *, uint32_t)'))
  const accept4 = wrap(raw('int accept4(int, void *, void *, int)'))
  const getsockname = wrap(raw('int getsockname(int, void *, void *)'))
  const getpeername = wrap(raw('int getpeername(int, void *, void *)'))
  const setsockopt = wrap(raw('int setsockopt(int, int, int, void *, uint32_t)'))
  const getsockopt = wrap(raw('int getsockopt(int, int, int, void *, void *)'))
  const recv = wrap(raw('intptr_t recv(int, void *, size_t, int)'))
  const send = wrap(raw('intptr_t send(int, void *, size_t, int)'))
  const sendto = wrap(raw('intptr_t sendto(int, void *, size_t, int, void *, uint32_t)'))
  const ioctlPointer = wrap(raw('int ioctl(int, unsigned long, void *)'))
  const ioctlNumber = wrap(library.func('ioctl', 'int', ['int', 'unsigned long', 'long']) as Raw)
  const mount = wrap(raw('int mount(str, str, str, unsigned long, void *)'))
  const syscall = wrap(raw('long syscall(long, long, void *, long)'))
  return {
    socket: wrap(raw('int socket(int, int, int)')),
    bind: (fd, address) => bind(fd, address, address.length),
    connect: (fd, address) => connect(fd, address, address.length),
    listen: wrap(raw('int listen(int, int)')),
    accept: (fd) => accept4(fd, null, null, ACCEPT_FLAGS),
    socketName: (fd, address) => getsockname(fd, address, lengthCell(address)),
    peerName: (fd, address) => getpeername(fd, address, lengthCell(address)),
    setOption: (fd, level, option, value) => setsockopt(fd, level, option, value, value.length),
    getOption: (fd, level, option, value) =>
      getsockopt(fd, level, option, value, lengthCell(value)),
    receive: (fd, into, flags) => recv(fd, into, into.length, flags),
    send: (fd, octets, flags) => send(fd, octets, octets.length, flags),
    sendTo: (fd, octets, flags, address) =>
      sendto(fd, octets, octets.length, flags, address, address.length),
    receiveMessage: wrap(raw('intptr_t recvmsg(int, void *, int)')),
    open: wrap(raw('int open(str, int, uint32_t)')),
    close: wrap(raw('int close(int)')),
    ioctl: (fd, request, argument) =>
      typeof argument === 'number'
        ? ioctlNumber(fd, request, argument)
        : ioctlPointer(fd, request, argument),
    setNamespace: wrap(raw('int setns(int, int)')),
    unshare: wrap(raw('int unshare(int)')),
    mount: (source, target, type, flags) => mount(source, target, type, flags, null),
    unmount: wrap(raw('int umount2(str, int)')),
    lockFile: wrap(raw('int flock(int, int)')),
    makeNode: wrap(raw('int mknod(str, uint32_t, uint64_t)')),
    bpf: (command, attributes) =>
      syscall(SYS_BPF[process.arch] ?? 321, command, attributes, attributes.length),
    addressOf: (octets) => koffi.address(octets),
  }
}

/** A socklen_t that says how much room there is. */
function lengthCell(octets: Uint8Array): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32LE(octets.length)
  return size
}

function loadLibrary(): ReturnType<typeof koffi.load> {
  try {
    return koffi.load('libc.so.6')
  } catch {
    return koffi.load(null)
  }
}

/** The result of a system call, or its refusal thrown. `what` names the attempt: "Open /dev/net/tun". */
export function checked(what: string | (() => string), result: number): number {
  if (result >= 0) return result
  throw new KernelError(errnoName(-result), typeof what === 'string' ? what : what())
}
