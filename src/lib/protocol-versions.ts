/** Versions of the protocol that a program speaks, the first and the last. */
export interface ProtocolVersions {
  readonly from: number
  readonly to: number
}

/** Of a side that says nothing of versions. */
export const UNSAID: ProtocolVersions = { from: 1, to: 1 }

/** What is in the way between two sides, told to the one that asks; undefined if nothing is. */
export function versionGap(
  mine: ProtocolVersions,
  theirs: ProtocolVersions,
  peer: string,
): string | undefined {
  if (mine.from <= theirs.to && theirs.from <= mine.to) return undefined
  const older = mine.to < theirs.from ? 'this program is the older one' : `${peer} is the older one`
  return (
    `This program speaks versions ${mine.from} to ${mine.to} of Tortie's protocol and ${peer} ` +
    `${theirs.from} to ${theirs.to}: ${older}; update it, and start it anew`
  )
}

export function isVersions(value: unknown): value is ProtocolVersions {
  const { from, to } = (value ?? {}) as Partial<Record<keyof ProtocolVersions, unknown>>
  return typeof from === 'number' && typeof to === 'number'
}
