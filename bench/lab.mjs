// How long a person waits: `lab up seed` to all routes installed and the first ping answered, one trace,
// one CNI ADD. Median, least and most of several runs, in milliseconds.
//
//     node bench/lab.mjs [runs]
//     node bench/lab.mjs nodes 100 [runs]   # so many nodes in one network in full mesh, a pod each, instead
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { build, debianPackages, npmPackages, root, WITNESSES } from '../scripts/setup.mjs'

npmPackages()
debianPackages(WITNESSES)
build()

const [first, ...rest] = process.argv.slice(2)
const isLarge = first === 'nodes'
const nodes = isLarge ? Number(rest[0] ?? 100) : 3
if (!(nodes >= 2 && nodes <= 250)) throw new Error(`nodes: expected 2 to 250, not ${rest[0]}`)
const runs = Number((isLarge ? rest[1] : first) ?? (isLarge ? 1 : 7))
const lab = `bench${process.pid}`
const tortiePath = join(root, 'dist/tortie.js')

function run(command, args, options = {}) {
  const started = performance.now()
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', ...options })
  const milliseconds = performance.now() - started
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')} ended with ${status}\n${stdout}${stderr}`)
  return milliseconds
}
const tortie = (...args) => run(process.execPath, [tortiePath, ...args])
const inPod = (pod, ...command) => tortie('lab', 'exec', '--lab', lab, pod, '--', ...command)

/** CNI ADD or DEL as a container runtime calls it, on server01. */
function cni(command, containerId, namespacePath) {
  const configuration = {
    cniVersion: '1.1.0',
    name: 'k8s-pod-network',
    type: 'tortie-cni',
    agentSocket: `/run/tortie/labs/${lab}/nodes/server01/agent.sock`,
  }
  return run(process.execPath, [join(root, 'dist/tortie-cni.cjs')], {
    input: JSON.stringify(configuration),
    // A runtime's own environment, not a person's: with NODE_EXTRA_CA_CERTS Node alone takes three times
    // as long to start.
    env: {
      PATH: process.env.PATH,
      CNI_COMMAND: command,
      CNI_CONTAINERID: containerId,
      CNI_NETNS: namespacePath,
      CNI_IFNAME: 'eth0',
      CNI_ARGS: `K8S_POD_NAMESPACE=default;K8S_POD_NAME=${containerId}`,
    },
  })
}

const figures = new Map()
function note(what, milliseconds) {
  figures.set(what, [...(figures.get(what) ?? []), milliseconds])
}

function small() {
  const up = tortie('lab', 'up', 'seed', '--name', lab)
  try {
    note('lab up seed, all routes installed', up)
    note(
      '… and the first ping answered',
      up + inPod('network-5z4qp', 'ping', '-c1', '-W1', '10.211.1.4'),
    )
    note('trace, both directions', tortie('trace', 'network-5z4qp', 'network-mngxw', '--lab', lab))
    for (let pod = 0; pod < 10; pod++) {
      const name = `${lab}-${pod}`
      run('ip', ['netns', 'add', name])
      try {
        note('CNI ADD', cni('ADD', name, `/run/netns/${name}`))
        note('CNI DEL', cni('DEL', name, `/run/netns/${name}`))
      } finally {
        run('ip', ['netns', 'delete', name])
      }
    }
  } finally {
    note('lab down', tortie('lab', 'down', lab))
  }
}

/** A network of so many nodes, each with a block and a pod. */
function topology() {
  const each = (line) => Array.from({ length: nodes }, (_, at) => line(at + 1)).join('\n')
  return `name: ${lab}
networks: [{ name: ${lab}-lan, cidr: 172.30.0.0/24 }]
nodes:
${each((at) => `  - { name: ${lab}-n${at}, interfaces: [{ name: eth0, network: ${lab}-lan, address: 172.30.0.${at}/24 }], podCIDR: 10.230.${at}.0/24 }`)}
pools: [{ name: pool, cidr: 10.230.0.0/16, blockSize: 24 }]
pods:
${each((at) => `  - { name: ${lab}-p${at}, node: ${lab}-n${at}, address: 10.230.${at}.5 }`)}
`
}

/** Processor time of all threads since each began, and memory (each page shared by n counts a nth). */
function programs() {
  let milliseconds = 0
  let kibibytes = 0
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
      if (!environment.includes(`TORTIE_LAB=${lab}`)) continue
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      milliseconds += 10 * (Number(fields[11]) + Number(fields[12]))
      const [, pss] = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))
      kibibytes += Number(pss)
    } catch {
      // It ended meanwhile.
    }
  }
  return { milliseconds, mebibytes: kibibytes / 1024 }
}

function large(path) {
  const up = tortie('lab', 'up', path)
  try {
    const { milliseconds, mebibytes } = programs()
    note(`lab up of ${nodes} nodes, all routes`, up)
    note('… processor time of its programs', milliseconds)
    note('… their memory, MiB', mebibytes)
    note('ping, last pod to first', inPod(`${lab}-p${nodes}`, 'ping', '-c1', '-W2', '10.230.1.5'))
    const ends = [`${lab}-p1`, `${lab}-p${nodes}`]
    note('trace, both directions', tortie('trace', ...ends, '--lab', lab))
  } finally {
    note('lab down', tortie('lab', 'down', lab))
  }
}

const folder = mkdtempSync(join(tmpdir(), 'tortie-bench-'))
try {
  const path = join(folder, 'topology.yaml')
  writeFileSync(path, topology())
  for (let at = 0; at < runs; at++) {
    if (isLarge) large(path)
    else small()
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

const [load] = readFileSync('/proc/loadavg', 'utf8').split(' ')
console.log(`${cpus().length} processors, Node ${process.version}, load now ${load}`)
console.log(
  `${'milliseconds'.padEnd(36)}${'median'.padStart(8)}${'least'.padStart(8)}${'most'.padStart(8)}${'runs'.padStart(6)}`,
)
for (const [what, values] of figures) {
  const sorted = values.toSorted((a, b) => a - b)
  const cells = [sorted[Math.floor(sorted.length / 2)], sorted[0], sorted.at(-1)]
  console.log(
    what.padEnd(36) +
      cells.map((ms) => ms.toFixed(0).padStart(8)).join('') +
      String(sorted.length).padStart(6),
  )
}
