// What `import.meta.url` is in a file that is no ES module.
import { pathToFileURL } from 'node:url'

export const IMPORT_META_URL = pathToFileURL(__filename).href
