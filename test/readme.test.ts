import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { canRunLabs, TORTIE } from './lab/tortie.ts'

/** Commands that are not run here, and where they are. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'npm run demo': 'its commands are those of the section on clusters',
  'npm test': 'this is it',
  'npm link': 'changes the machine; here a wrapper of that name stands on the path',
}

/** Exit statuses that are part of the story; 0 for all others. */
const STATUS: readonly {
  readonly after: RegExp
  readonly command: RegExp
  readonly status: number
}[] = [{ after: /add unreachable/, command: /^tortie trace/, status: 20 }]

/** Commands that say nothing when all is well. */
const SILENT = /^ip netns exec \S+ ip route (?:add|del) /

const root = join(import.meta.dirname, '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')

/** The lines of all blocks marked as shell, in order. */
function commandsOf(text: string): string[] {
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)]
  return blocks.flatMap(([, block]) => block!.trim().split('\n'))
}

describe('the README', () => {
  it('links only to files that are there', () => {
    const links = [...readme.matchAll(/\]\(([^)#:]+)\)/g)].map(([, path]) => path!)
    expect(links.filter((path) => !existsSync(join(root, path)))).toEqual([])
  })

  describe.skipIf(!canRunLabs('the README, typed in order'))('typed in order', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tortie-readme-'))
    // Labs of its own, so that "the only lab that is up" is the README's.
    const env = {
      ...process.env,
      PATH: `${folder}:${process.env['PATH']}`,
      TORTIE_RUN_DIR: join(folder, 'run'),
    }
    writeFileSync(
      join(folder, 'tortie'),
      `#!/bin/sh\nexec "${process.execPath}" "${TORTIE}" "$@"\n`,
      {
        mode: 0o755,
      },
    )
    const run = (command: string) =>
      spawnSync('sh', ['-c', command], { cwd: root, env, encoding: 'utf8', timeout: 60_000 })

    afterAll(() => {
      run('tortie lab down --all')
      rmSync(folder, { recursive: true })
    })

    let before = ''
    for (const command of commandsOf(readme).filter((line) => !(line in ELSEWHERE))) {
      const story = STATUS.find((one) => one.after.test(before) && one.command.test(command))
      before = command
      it(command, () => {
        const { status, stdout, stderr } = run(command)
        expect({ status, stderr }).toEqual({ status: story?.status ?? 0, stderr: '' })
        if (!SILENT.test(command)) expect(stdout).not.toBe('')
      })
    }
  })
})
