// What a cluster's traffic loses while its agents are killed: a lab of four nodes in two subnets, a ping of
// so many packets a second on every pair of pods, and agents that end by SIGKILL one after another.
//
//     node bench/restarts.mjs [kills] [packets a second of each pair]
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { debianPackages, build, npmPackages, root, WITNESSES } from '../scripts/setup.mjs'

npmPackages()
debianPackages(WITNESSES)
build()

const [kills, rate] = [Number(process.argv[2] ?? 80), Number(process.argv[3] ?? 100)]
const lab = `kill${process.pid}`
const tortiePath = join(root, 'dist/tortie.js')
const argv = (...args) => [tortiePath, ...args]

function tortie(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, argv(...args), {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`tortie ${args.join(' ')} ended with ${status}\n${stderr}`)
  return stdout
}

/** An address and a name of one pod of each node. */
function podOfEachNode() {
  const { items } = JSON.parse(tortie('get', 'workloadendpoint', '-A', '--lab', lab, '-o', 'json'))
  const pods = new Map()
  for (const { metadata, spec } of items) {
    const [address] = spec.ipNetworks[0].split('/')
    pods.set(spec.node, { name: `${metadata.namespace}/${spec.pod}`, address })
  }
  return [...pods.values()]
}

function startPing(from, to) {
  const ping = ['ping', '-q', '-i', String(1 / rate), to.address]
  const child = spawn(process.execPath, argv('lab', 'exec', '--lab', lab, from.name, '--', ...ping))
  let said = ''
  child.stdout.on('data', (text) => (said += text))
  return async () => {
    child.kill('SIGINT')
    await once(child, 'close')
    const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(said) ?? []
    if (sent === undefined) throw new Error(`ping ${from.name} to ${to.name}: ${said}`)
    return { sent: Number(sent), lost: Number(sent) - Number(received) }
  }
}

tortie('lab', 'up', 'cross-subnet', '--name', lab)
try {
  const pods = podOfEachNode()
  const pairs = pods.flatMap((from) => pods.filter((to) => to !== from).map((to) => [from, to]))
  const nodes = JSON.parse(tortie('lab', 'status', lab, '-o', 'json')).nodes.map(({ name }) => name)
  const stops = pairs.map(([from, to]) => startPing(from, to))
  await new Promise((resolve) => setTimeout(resolve, 1000))
  for (let at = 0; at < kills; at++) {
    tortie('lab', 'restart', nodes[at % nodes.length], '--lab', lab)
    if (process.stderr.isTTY) process.stderr.write(`\r${at + 1} of ${kills}`)
  }
  const results = await Promise.all(stops.map((stop) => stop()))
  const sum = (what) => results.reduce((all, result) => all + result[what], 0)
  console.log(
    `${kills} times SIGKILL on ${nodes.length} agents, ${pairs.length} pairs of pods: ` +
      `${sum('lost')} of ${sum('sent')} pings lost`,
  )
  if (sum('lost') > 0) process.exitCode = 1
} finally {
  tortie('lab', 'down', lab)
}
