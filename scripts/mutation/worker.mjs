// Runs tests over and over in one copy of the tree, with vitest kept warm. A parent sends
// { id, path, text, tests }: the file is that text while the tests run. Answers { id, status }.
import { readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { createVitest } from 'vitest/node'

const root = realpathSync(process.cwd())
const setupFile = join(root, 'without-root.mjs')
// Kernels and daemons of the machine are nobody's to break: tests that need root do without.
writeFileSync(setupFile, 'process.getuid = () => 65534\nprocess.geteuid = () => 65534\n')

/** The nearest test is the likeliest to notice. */
class InOrder {
  shard = (files) => files
  sort = (files) => files
}

const vitest = await createVitest('test', {
  root,
  watch: false,
  bail: 1,
  maxWorkers: 1,
  reporters: [{}],
  setupFiles: [setupFile],
  sequence: { sequencer: InOrder },
  // A test that hangs fails by this; an endless loop is ended by the parent.
  testTimeout: 30_000,
  hookTimeout: 30_000,
  teardownTimeout: 1000,
  passWithNoTests: true,
})

async function run({ path, text, tests }) {
  const file = path === undefined ? undefined : join(root, path)
  const original = file === undefined ? undefined : readFileSync(file, 'utf8')
  try {
    if (file !== undefined) {
      writeFileSync(file, text)
      vitest.invalidateFile(file)
    }
    const project = vitest.getRootProject()
    const specifications = tests.map((test) => project.createSpecification(join(root, test)))
    const { testModules, unhandledErrors } = await vitest.runTestSpecifications(specifications)
    // Those of earlier runs are among them.
    const ran = testModules.filter(({ moduleId }) => tests.includes(relative(root, moduleId)))
    const isFailed = ran.some((module) => !module.ok()) || unhandledErrors.length > 0
    return isFailed ? 'killed' : 'survived'
  } finally {
    if (file !== undefined) {
      writeFileSync(file, original)
      vitest.invalidateFile(file)
    }
  }
}

process.on('message', async (job) => {
  vitest.state.clearErrors()
  const began = performance.now()
  const status = await run(job).catch((thrown) => `broken: ${thrown.message}`)
  process.send({ id: job.id, status, milliseconds: Math.round(performance.now() - began) })
})
process.on('disconnect', () => process.exit())
process.send({ ready: true })
