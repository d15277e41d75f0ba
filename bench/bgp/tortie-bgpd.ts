// `tortie bgpd` as it is built.
import { main } from '../../src/main/tortie.ts'

await main()
