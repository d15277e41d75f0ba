// Makes small mistakes in the code, one at a time and in copies of the tree, and says which of them the
// nearest tests do not notice. A seed chooses which; a run that was ended goes on where it was.
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { describeChange, mutantsOf, mutate, sample } from './mutation/mutants.mjs'
import { importGraph, nearestTests } from './mutation/nearest-tests.mjs'
import { Slot } from './mutation/slot.mjs'
import { summary } from './mutation/summary.mjs'

const HELP = `usage: npm run mutate -- [options]
  --seed N       which mutants are chosen (default: 1)
  --count N      how many (default: 600)
  --only LIST    folders or files under src, separated by commas (default: ${'bgp,ipam,routes,cni,agent,trace'})
  --workers N    how many run at once (default: one for each core)
  --patience N   seconds that a mutant may take beside what its tests usually take (default: 20)
  --json FILE    writes everything to a file
  --root DIR     another tree (default: this one)
  --fresh        forgets the results of a run that was ended
  --list         prints the chosen mutants and runs nothing`

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '600' },
    only: { type: 'string', default: 'bgp,ipam,routes,cni,agent,trace' },
    workers: { type: 'string', default: String(availableParallelism()) },
    patience: { type: 'string', default: '20' },
    json: { type: 'string' },
    root: { type: 'string', default: join(import.meta.dirname, '..') },
    fresh: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit()
}
const root = resolve(values.root)
const [seed, count, workers, patience] = ['seed', 'count', 'workers', 'patience'].map((name) => {
  const number = Number(values[name])
  if (Number.isSafeInteger(number) && number >= 0) return number
  console.error(`--${name} is ${values[name]}: expected a whole number`)
  process.exit(2)
})

/** A mutant may take so many times as long as its tests take otherwise. */
const SLOWER_MAX = 5

const graph = importGraph(root)
const tests = nearestTests(graph)
const texts = new Map()
const mutants = chooseMutants()
if (values.list) {
  for (const mutant of mutants) console.log(described(mutant))
  process.exit()
}
const results = restoreResults()
const began = performance.now()
const left = mutants.filter(({ id }) => !results.has(id))
const kept = mutants.length - left.length
console.log(
  `${mutants.length} mutants, seed ${seed}${kept > 0 ? `; ${kept} are done already` : ''}`,
)
await runAll(left)
report()

/** All mutants of the files asked for, and of those the sample. */
function chooseMutants() {
  const only = values.only.split(',').map((name) => `src/${name.replace(/^src\//, '')}`)
  const isAskedFor = (path) =>
    only.some((name) => path === name || path.startsWith(name.replace(/\/?$/, '/')))
  const isCode = (path) => !/\.(test|contract|d)\.ts$|\/testing\//.test(path)
  const paths = [...graph.keys()].filter((path) => isAskedFor(path) && isCode(path)).sort()
  if (paths.length === 0) {
    console.error(`--only is ${values.only}: no file under src has such a name`)
    process.exit(2)
  }
  const all = paths.flatMap((path) => {
    texts.set(path, readFileSync(join(root, path), 'utf8'))
    return mutantsOf(path, texts.get(path))
  })
  return sample(all, count, seed)
}

/** What a run of the same tree has found out before it was ended. */
function restoreResults() {
  const digest = createHash('sha1')
  for (const path of [...graph.keys()].sort()) {
    digest.update(path).update(readFileSync(join(root, path)))
  }
  const folder = join(root, 'node_modules', '.cache', 'tortie-mutation')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${digest.digest('hex').slice(0, 16)}.jsonl`)
  if (values.fresh) rmSync(file, { force: true })
  const rows = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').filter(Boolean) : []
  const known = new Map(rows.map((row) => JSON.parse(row)).map((row) => [row.id, row]))
  known.add = (row) => {
    known.set(row.id, row)
    appendFileSync(file, `${JSON.stringify(row)}\n`)
  }
  return known
}

async function runAll(queue) {
  const testsOf = ({ path }) => tests.get(path) ?? []
  const needed = [...new Set(queue.flatMap(testsOf))]
  const copies = mkdtempSync(join(tmpdir(), 'tortie-mutation-'))
  const slots = Array.from({ length: workers }, (_, at) => new Slot(root, join(copies, `${at}`)))
  const end = () => {
    for (const slot of slots) slot.kill()
    rmSync(copies, { recursive: true, force: true })
  }
  const onSignal = () => {
    end()
    process.exit(130)
  }
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  try {
    const times = new Map()
    await share(slots, needed, async (slot, test) => {
      const { status, milliseconds } = await slot.run({ id: test, tests: [test] }, 600_000)
      if (status === 'survived') times.set(test, milliseconds)
      else console.log(`left out, since it fails as it is: ${test}`)
    })
    await share(slots, queue, async (slot, mutant) => {
      // The first failure ends it, so that the slow ones are seldom run.
      const chosen = testsOf(mutant)
        .filter((test) => times.has(test))
        .sort((a, b) => times.get(a) - times.get(b))
      const usual = chosen.reduce((sum, test) => sum + times.get(test), 0)
      const text = mutate(texts.get(mutant.path), mutant)
      const job = { id: mutant.id, path: mutant.path, text, tests: chosen }
      const { status, milliseconds } =
        chosen.length === 0
          ? { status: 'no tests', milliseconds: 0 }
          : await slot.run(job, 1000 * patience + SLOWER_MAX * usual)
      results.add({ id: mutant.id, status, milliseconds, tests: chosen })
      if (results.size % 25 === 0) progress()
    })
  } finally {
    end()
  }
}

/** Hands out the items of a queue one at a time. */
async function share(slots, queue, work) {
  const waiting = [...queue]
  await Promise.all(
    slots.map(async (slot) => {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
        await work(slot, item)
      }
    }),
  )
}

function progress() {
  const done = mutants.filter(({ id }) => results.has(id))
  const survivors = done.filter(({ id }) => /survived|no tests/.test(results.get(id).status))
  const minutes = ((performance.now() - began) / 60_000).toFixed(1)
  console.log(
    `${done.length} of ${mutants.length} after ${minutes} min, ${survivors.length} survivors`,
  )
}

function described(mutant) {
  const { path, line, operator } = mutant
  return [`${path}:${line}  ${operator}`, ...describeChange(texts.get(path), mutant)].join('\n    ')
}

function report() {
  const rows = mutants.map((mutant) => ({ ...mutant, ...results.get(mutant.id) }))
  const survivors = rows.filter(({ status }) => /survived|no tests/.test(status))
  for (const row of survivors) console.log(`\n${described(row)}`)
  for (const row of rows.filter(({ status }) => status.startsWith('broken'))) {
    console.log(`\n${row.path}:${row.line}  ${row.status}`)
  }
  console.log(`\n${summary(rows)}`)
  if (values.json === undefined) return
  const listed = rows.map((row) => ({ ...row, change: describeChange(texts.get(row.path), row) }))
  writeFileSync(values.json, `${JSON.stringify({ seed, count, mutants: listed }, undefined, 2)}\n`)
}
