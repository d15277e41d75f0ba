// `tortie bgpd` as it is built.
import '../../src/main/tortie.ts'
