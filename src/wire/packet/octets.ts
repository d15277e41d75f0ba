export { get16, get32, get48, set16, set32, set48 } from '../../lib/octets.ts'
