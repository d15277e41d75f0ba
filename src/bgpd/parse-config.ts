import { readYamlFile } from '../lib/yaml-file.ts'
import { checkBgpdConfig } from './check-config.ts'
import { type BgpdFile, bgpdSchema } from './config-schema.ts'

/**
 * The configuration that a YAML text describes.
 *
 * @param consequence what messages say follows from a mistake: "the running configuration stays"
 * @throws UserError that lists every mistake with line, column, field, value and what was expected
 */
export function parseBgpdConfig(text: string, file: string, consequence: string): BgpdFile {
  return readYamlFile({ text, file, schema: bgpdSchema, check: checkBgpdConfig, consequence })
}
