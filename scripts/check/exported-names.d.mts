/** Exported names of src, with the files that export them where there are several. */
export function duplicateExports(
  root: string,
): readonly { readonly name: string; readonly files: readonly string[] }[]
/** Names that a text declares and exports. */
export function exportedNames(path: string, text: string): readonly string[]
