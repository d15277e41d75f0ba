import type { LabState } from './lab-ports.ts'

/** The files of labs in memory, by "lab/file", for labs that live in one process. */
export function memoryState(files = new Map<string, string>()): LabState {
  const locks = new Set<string>()
  const labOf = (path: string): string => path.slice(0, path.indexOf('/'))
  return {
    labs: () => [...new Set([...files.keys()].map(labOf))].filter((lab) => !lab.startsWith('.')),
    directory: (lab) => `(in memory) ${lab}`,
    read: (lab, file) => files.get(`${lab}/${file}`),
    write: (lab, file, text) => void files.set(`${lab}/${file}`, text),
    remove(lab) {
      for (const path of files.keys()) if (labOf(path) === lab) files.delete(path)
    },
    lock(name) {
      if (locks.has(name)) return undefined
      locks.add(name)
      return { close: () => void locks.delete(name) }
    },
  }
}
