// What `npm test` and `npm run demo` need, from a fresh clone and without asking: npm packages, Debian
// packages (as root, where apt is), the build. Each step looks first and is skipped when it is done.
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')

const step = (text) => console.log(`[setup] ${text}`)
const run = (command, args, options = {}) =>
  execFileSync(command, args, { cwd: root, stdio: 'inherit', ...options })

export const isLinuxRoot = process.platform === 'linux' && process.getuid?.() === 0

/** npm ci, unless node_modules is already what the lock file says, or is a link to somebody else's. */
export function npmPackages() {
  if (lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink()) return
  const read = (path) => JSON.parse(readFileSync(join(root, path), 'utf8'))
  // What npm itself wrote down of the last installation, whoever asked for it.
  const installed = 'node_modules/.package-lock.json'
  const lock = read('package-lock.json')
  if (existsSync(join(root, installed)) && isInstalled(lock, read(installed))) return
  step('installing npm packages')
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
}

/** Whether what is installed is what the lock file says. Packages of other platforms may be missing. */
export function isInstalled(lock, installed) {
  const { '': _root, ...wanted } = lock.packages
  return (
    Object.keys(installed.packages).every((path) => path in wanted) &&
    Object.entries(wanted).every(([path, { version, integrity, optional, devOptional }]) => {
      const found = installed.packages[path]
      if (found === undefined) return optional === true || devOptional === true
      return found.version === version && found.integrity === integrity
    })
  )
}

/**
 * Debian packages that are missing, by the program each brings. Without root or apt it says what is
 * missing and goes on: the tests that need it skip with a reason.
 */
export function debianPackages(programs) {
  const missing = Object.entries(programs).filter(([path]) => !existsSync(path))
  if (missing.length === 0) return
  const names = [...new Set(missing.map(([, name]) => name))]
  if (!isLinuxRoot || !existsSync('/usr/bin/apt-get')) {
    step(`not installed (needs root and apt): ${names.join(' ')}`)
    return
  }
  step(`installing Debian packages: ${names.join(' ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const install = () =>
    run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...names], {
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  try {
    install()
  } catch {
    step('refreshing the package lists')
    run('apt-get', ['update', '-q'], { env, stdio: ['ignore', 'ignore', 'inherit'] })
    install()
  }
}

/** Bundles into dist/, unless nothing under src/ is newer. */
export function build() {
  const stamp = join(root, 'dist', '.built')
  const newest = (path) => {
    const { mtimeMs } = statSync(join(root, path))
    if (!statSync(join(root, path)).isDirectory()) return mtimeMs
    const names = readdirSync(join(root, path), { recursive: true })
    return Math.max(mtimeMs, ...names.map((name) => statSync(join(root, path, name)).mtimeMs))
  }
  const sources = Math.max(newest('src'), newest('scripts'), newest('package-lock.json'))
  if (existsSync(stamp) && statSync(stamp).mtimeMs > sources) return
  step('building')
  mkdirSync(join(root, 'dist'), { recursive: true })
  run(process.execPath, ['scripts/build.mjs'])
  writeFileSync(stamp, '')
}

/** What the demo and the lab use besides Node: nothing; these are witnesses that a person types. */
export const WITNESSES = {
  '/usr/sbin/ip': 'iproute2',
  '/usr/bin/ping': 'iputils-ping',
  '/usr/bin/tcpdump': 'tcpdump',
  '/usr/sbin/nft': 'nftables',
}

/** A kernel as a program, and what loads its modules. */
export const USER_MODE_LINUX = {
  '/usr/bin/linux.uml': 'user-mode-linux',
  '/sbin/modprobe': 'kmod',
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  npmPackages()
  debianPackages(WITNESSES)
  build()
}
