// Which programs of Debian the tests use that a filter chooses: the others are not installed for them.
import { readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { root, USER_MODE_LINUX, WITNESSES } from './setup.mjs'

const NEEDED = [
  [/^test\/(lab|runtimes|tunnel|interop|differential|readme)|^src\/platform\/linux\//, WITNESSES],
  [/^test\/tunnel\/|^src\/wire\/packet\//, { '/usr/bin/tshark': 'tshark' }],
  [/^test\/tunnel\//, { '/usr/sbin/ethtool': 'ethtool' }],
  [
    /^test\/(ipam|tunnel)\/|^src\/platform\/etcd\//,
    { '/usr/bin/etcd': 'etcd-server', '/usr/bin/etcdctl': 'etcd-client' },
  ],
  [/^test\/(tunnel|differential|support)\//, USER_MODE_LINUX],
]

/** Test files whose path contains one of the words of vitest's command line; all without a word. */
export function chosenTests(args) {
  const files = ['src', 'test'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
      .map((entry) => relative(root, join(entry.parentPath, entry.name))),
  )
  const words = args
    .filter((word) => !word.startsWith('-'))
    .map((word) => word.replace(/^\.\//, '').replace(/:\d+$/, ''))
  const chosen = files.filter((path) => words.some((word) => path.includes(word)))
  // A word may be the value of an option.
  return chosen.length > 0 ? chosen : files
}

/** Debian's packages by the program each brings, as debianPackages takes them. */
export function programsOf(files) {
  const rows = NEEDED.filter(([pattern]) => files.some((path) => pattern.test(path)))
  return Object.assign({}, ...rows.map(([, programs]) => programs))
}
