// Writes schema/topology.schema.json from the schema that the program itself checks with.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { root } from './setup.mjs'

const { outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: ['src/lab/topology-json-schema.ts'],
  bundle: true,
  format: 'esm',
  platform: 'node',
  write: false,
})
const source = Buffer.from(outputFiles[0].contents).toString('base64')
const { topologyJsonSchema } = await import(`data:text/javascript;base64,${source}`)
writeFileSync(join(root, 'schema/topology.schema.json'), topologyJsonSchema())
