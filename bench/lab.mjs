// How long a person waits: `lab up seed` to all routes installed and the first ping answered, one trace,
// one CNI ADD. Median, least and most of several runs, in milliseconds.
//
//     node bench/lab.mjs [runs]
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { build, debianPackages, npmPackages, root, WITNESSES } from '../scripts/setup.mjs'

npmPackages()
debianPackages(WITNESSES)
build()

const runs = Number(process.argv[2] ?? 7)
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

for (let at = 0; at < runs; at++) {
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
