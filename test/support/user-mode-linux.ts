import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'

/**
 * User-mode Linux: Debian's kernel 6.1 as an ordinary program, with modules that the kernel of this
 * machine may lack (ipip above all). It boots this machine's own root directory, which it can only read.
 *
 *     test ──"7\n"──> tty1 ──> init: sh 7.sh ──> 7.out, 7.err ──> "7 0\n" ──> test
 *                                       (files in a folder that both see: `folder`, in there OUT)
 */

const PROGRAM = '/usr/bin/linux.uml'
const MODULES = '/usr/lib/uml/modules'
/** Where what is running in there finds {@link UserModeLinux.folder}. */
export const OUT = '/run/out'
/** The checkout, of which programs in there run what was built. */
const ROOT = join(import.meta.dirname, '../..')
const BOOT_MILLISECONDS = 120_000
const HALT_MILLISECONDS = 20_000

export interface UserModeLinuxOptions {
  readonly memoryMegabytes?: number
  /** Network namespace of this machine in which its network card ends, as tap device `tap`, which is there already. */
  readonly network?: { readonly namespace: string; readonly tap: string }
}

export interface GuestResult {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Why user-mode Linux cannot be had here, or undefined. */
export function lacksUserModeLinux(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs Linux and root'
  if (!existsSync(PROGRAM) || !existsSync(MODULES)) {
    return 'Debian’s package user-mode-linux is not installed'
  }
  if (!existsSync('/sbin/modprobe')) return 'Debian’s package kmod is not installed'
  const { status, stdout, stderr } = spawnSync(PROGRAM, ['--version'], { encoding: 'utf8' })
  return status === 0 ? undefined : `it does not run here: ${(stdout + stderr).slice(0, 200)}`
}

/** One running kernel. Whoever starts one calls {@link close}, whatever became of the test. */
export class UserModeLinux {
  /** A folder of this machine, seen in there as {@link OUT}; removed by `close`. */
  readonly folder: string
  readonly #child: ChildProcess
  readonly #control: Writable
  readonly #ended: Promise<void>
  readonly #waiting = new Map<string, (status: number) => void>()
  #console = ''
  #over = false
  #commands = 0
  readonly #onExit = (): void => this.#kill()

  private constructor({ memoryMegabytes = 384, network }: UserModeLinuxOptions) {
    this.folder = mkdtempSync(join(tmpdir(), 'tortie-uml-'))
    mkdirSync(join(this.folder, '.uml'))
    writeFileSync(join(this.folder, 'init'), initScript(this.folder), { mode: 0o755 })
    const args = [
      `mem=${memoryMegabytes}M`,
      'root=/dev/root',
      'rootfstype=hostfs',
      'rootflags=/',
      'ro',
      'quiet',
      `init=${join(this.folder, 'init')}`,
      'con=null',
      'con0=null,fd:2',
      'con1=fd:3,fd:4',
      `uml_dir=${join(this.folder, '.uml')}/`,
      ...(network === undefined ? [] : [`vec0:transport=tap,ifname=${network.tap},depth=128`]),
    ]
    const inside = network === undefined ? [] : [`--net=/run/netns/${network.namespace}`]
    // A process group of its own: processes in there are processes here, and end with it.
    this.#child = spawn('nsenter', [...inside, '--', PROGRAM, ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
      detached: true,
      env: { PATH: process.env['PATH'] },
    })
    process.once('exit', this.#onExit)
    this.#control = this.#child.stdio[3] as Writable
    this.#control.on('error', () => {})
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on('data', (text) => (this.#console += String(text)))
    }
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', () => {
        this.#over = true
        for (const done of this.#waiting.values()) done(-1)
        this.#waiting.clear()
        resolve()
      })
    })
    this.#listen()
  }

  /** Boots, and answers when it takes commands. */
  static async start(options: UserModeLinuxOptions = {}): Promise<UserModeLinux> {
    const kernel = new UserModeLinux(options)
    try {
      const status = await kernel.#answer('ready', BOOT_MILLISECONDS)
      if (status !== 0) throw new Error(`User-mode Linux did not boot:\n${kernel.console}`)
      return kernel
    } catch (thrown) {
      await kernel.close()
      throw thrown
    }
  }

  /** What the kernel and programs without another place to write said. */
  get console(): string {
    return this.#console
  }

  /** Runs lines of shell in there, beside what else runs, and answers what came of them. */
  async run(script: string, milliseconds = 120_000): Promise<GuestResult> {
    const name = String(++this.#commands)
    const read = (kind: string): string => {
      const path = join(this.folder, `${name}.${kind}`)
      return existsSync(path) ? readFileSync(path, 'utf8') : ''
    }
    writeFileSync(join(this.folder, `${name}.sh`), script)
    const answered = this.#answer(name, milliseconds)
    if (!this.#over) this.#control.write(`${name}\n`)
    const status = await answered
    return { status, stdout: read('out'), stderr: read('err') }
  }

  /** Like {@link run}; answers standard output, and throws with all that was said when it fails. */
  async say(script: string, milliseconds?: number): Promise<string> {
    const { status, stdout, stderr } = await this.run(script, milliseconds)
    if (status === 0) return stdout
    throw new Error(`${script}\nended with ${status}:\n${stdout}${stderr}${this.#console}`)
  }

  /** Halts it and removes all of it. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.#kill(), HALT_MILLISECONDS)
    // The end of its input is what init halts at, also when this process dies.
    this.#control.end()
    await this.#ended
    clearTimeout(timer)
    this.#kill()
    process.removeListener('exit', this.#onExit)
    rmSync(this.folder, { recursive: true, force: true })
  }

  #listen(): void {
    let text = ''
    this.#child.stdio[4]!.on('data', (octets) => {
      const lines = (text + String(octets)).split('\n')
      text = lines.pop()!
      for (const line of lines) {
        const [name = '', status] = line.trim().split(' ')
        this.#waiting.get(name)?.(Number(status))
        this.#waiting.delete(name)
      }
    })
  }

  #answer(name: string, milliseconds: number): Promise<number> {
    if (this.#over) return Promise.resolve(-1)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(name)
        reject(new Error(`User-mode Linux is silent for ${milliseconds} ms:\n${this.#console}`))
      }, milliseconds)
      this.#waiting.set(name, (status) => {
        clearTimeout(timer)
        resolve(status)
      })
    })
  }

  #kill(): void {
    try {
      process.kill(-this.#child.pid!, 'SIGKILL')
    } catch {
      // All of it has ended.
    }
  }
}

/**
 * The first process in there. The kernel asks the program named in /proc/sys/kernel/modprobe for
 * modules; it gets one that knows where Debian put them, so that /lib/modules of this machine is left
 * alone.
 */
function initScript(folder: string): string {
  return `#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
for place in /run /tmp /var/lib; do mount -t tmpfs tmpfs $place; done
mkdir -p ${OUT} /run/modules/lib /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t hostfs none ${OUT} -o ${folder}
[ -e '${ROOT}' ] || { mkdir -p '${ROOT}'; mount -t hostfs none '${ROOT}' -o '${ROOT}'; }
ln -s ${MODULES} /run/modules/lib/modules
printf '#!/bin/sh\\nexec /sbin/modprobe -d /run/modules "$@"\\n' > /run/modprobe
chmod +x /run/modprobe
echo /run/modprobe > /proc/sys/kernel/modprobe
ip link set lo up
stty -F /dev/tty1 raw -echo
exec 3<>/dev/tty1
echo 'ready 0' >&3
while read -r name <&3; do
  ( sh ${OUT}/$name.sh > ${OUT}/$name.out 2> ${OUT}/$name.err 3>&- </dev/null; echo "$name $?" >&3 ) &
done
halt -f
`
}
