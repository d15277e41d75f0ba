// The main job, from a fresh clone: a cluster comes up, its tables, one packet's way through it, and
// everything is gone again. Sets up what is missing, as `npm test` does.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { styleText } from 'node:util'
import { build, debianPackages, isLinuxRoot, npmPackages, root, WITNESSES } from './setup.mjs'

const LAB = 'demo'
const tortie = join(root, 'dist', 'tortie.js')
const env = { ...process.env, TORTIE_LAB: LAB }
const title = (text) => console.log(`\n${process.stdout.isTTY ? styleText('bold', text) : text}`)

/** Shows a command as a person would type it, and runs it. */
function show(text, args) {
  title(`$ tortie ${text}`)
  return run(args ?? text.split(' ')).status ?? 1
}

/** Says what comes next; 0, as a command that went well. */
function note(text) {
  console.log(`\n${text}`)
  return 0
}

function run(args, options = {}) {
  return spawnSync(process.execPath, [tortie, ...args], { stdio: 'inherit', env, ...options })
}

if (!isLinuxRoot) {
  console.log(`Without Linux and root the demo runs on the simulated kernel, in one process.
The real one: sudo npm run demo, on Debian or Ubuntu with Node 20.19 or later.`)
}

npmPackages()
if (isLinuxRoot) debianPackages(WITNESSES)
build()

const up = ['lab', 'up', 'cross-subnet', ...(isLinuxRoot ? [] : ['--simulated'])]
run(['lab', 'down', LAB], { stdio: 'ignore' }) // what an interrupted demo left
let status = 1
try {
  status =
    show(up.join(' '), [...up, '--name', LAB]) ||
    show('get node -o wide') ||
    show('get workloadendpoint -A') ||
    note('A pod of a node in the same subnet: the packet travels bare.') ||
    show('trace network-5z4qp network-mngxw') ||
    note(
      'A pod of server04, behind a router: by tunl0, inside an outer header of node addresses.',
    ) ||
    show('trace network-5z4qp network-x7rtl')
} finally {
  show('lab down', ['lab', 'down', LAB])
}
if (status === 0) {
  const how = isLinuxRoot
    ? 'tortie lab up seed && ip netns exec server01 ip route'
    : 'tortie lab up seed --simulated && tortie lab exec server01 -- ip route'
  title(`Your turn: npm link && ${how}`)
}
process.exitCode = status
