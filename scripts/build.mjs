// Bundles the executables. `tortie` is one CommonJS file with V8's code cache beside it: what a short
// command takes is mostly compiling. The CNI executable is one small file of the same form.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { root } from './setup.mjs'

const dist = (name) => join(root, 'dist', name)

const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  external: ['koffi', 'lmdb'],
  loader: { '.yaml': 'text' },
  outdir: 'dist',
  sourcemap: true,
  // What is read before anything runs is nearly a third shorter; names stay, for stacks.
  minifyWhitespace: true,
  logLevel: 'warning',
}
const commonJs = { ...common, format: 'cjs', outExtension: { '.js': '.cjs' }, minifySyntax: true }

// CommonJS dependencies inside an ES module bundle still ask for `require`.
const requireShim =
  "import { createRequire as tortieCreateRequire } from 'node:module'; const require = tortieCreateRequire(import.meta.url);"

// Of builds before this one.
mkdirSync(dist(''), { recursive: true })
for (const name of readdirSync(dist(''))) if (name.endsWith('.cache')) rmSync(dist(name))
await build({
  ...commonJs,
  entryPoints: { tortie: 'src/main/tortie.ts' },
  // As Node wraps a module itself (node:module), and with what an ES module has for it.
  banner: { js: '(function (exports, require, module, __filename, __dirname) {' },
  footer: { js: '})' },
  define: { 'import.meta.url': 'IMPORT_META_URL' },
  inject: ['scripts/build/import-meta-url.mjs'],
})
const codeCache = `tortie-${createHash('sha256')
  .update(readFileSync(dist('tortie.cjs')))
  .digest('hex')
  .slice(0, 16)}.cache`
await build({
  ...common,
  entryPoints: { tortie: 'src/main/launch.ts', bgp: 'src/main/bgp-package.ts' },
  format: 'esm',
  define: { CODE_CACHE: JSON.stringify(codeCache) },
  banner: { js: requireShim },
})
await build({ ...commonJs, entryPoints: { 'tortie-cni': 'src/main/cni.ts' } })
for (const name of ['tortie.js', 'tortie-cni.cjs']) chmodSync(dist(name), 0o755)

// Types for those who import tortie/bgp; not where TypeScript is not installed, as in production.
const compiler = join(root, 'node_modules/typescript/bin/tsc')
if (existsSync(compiler)) {
  execFileSync(process.execPath, [compiler, '-p', 'tsconfig.types.json'], {
    cwd: root,
    stdio: 'inherit',
  })
}
execFileSync(process.execPath, ['scripts/build/code-cache.mjs', codeCache], {
  cwd: root,
  stdio: 'inherit',
})
