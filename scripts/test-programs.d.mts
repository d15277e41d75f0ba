/** Paths from the root of the repository. */
export function chosenTests(args: readonly string[]): readonly string[]
/** Debian's packages by the program each brings. */
export function programsOf(files: readonly string[]): Readonly<Record<string, string>>
