// Writes schema/*.schema.json from the schemas that the program itself checks with.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { root } from './setup.mjs'

const SCHEMAS = [
  ['bgpd', 'src/bgpd/bgpd-json-schema.ts', 'bgpdJsonSchema'],
  ['topology', 'src/lab/topology-json-schema.ts', 'topologyJsonSchema'],
  ['trace', 'src/trace/report/trace-json-schema.ts', 'traceJsonSchema'],
]

for (const [name, source, textOf] of SCHEMAS) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [source],
    bundle: true,
    format: 'esm',
    platform: 'node',
    write: false,
  })
  const bundle = Buffer.from(outputFiles[0].contents).toString('base64')
  const module = await import(`data:text/javascript;base64,${bundle}`)
  writeFileSync(join(root, `schema/${name}.schema.json`), module[textOf]())
}
