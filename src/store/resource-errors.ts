import { UserError } from '../lib/errors.ts'
import { type StoredProblem, storedProblemText } from '../model/decode-resource.ts'

/** What stands in the store is no resource; the message names row, field, value and what was expected. */
export class UnreadableResource extends UserError {
  readonly problem: StoredProblem
  constructor(problem: StoredProblem) {
    super(`what is stored under ${problem.key} cannot be read: ${storedProblemText(problem)}`)
    this.problem = problem
  }
}

/** There is nothing by that name. */
export class ResourceDoesNotExist extends UserError {
  readonly identifier: string
  constructor(identifier: string) {
    super(`resource does not exist: ${identifier}`)
    this.identifier = identifier
  }
}

/** There is something by that name already. */
export class ResourceAlreadyExists extends UserError {
  readonly identifier: string
  constructor(identifier: string) {
    super(`resource already exists: ${identifier}`)
    this.identifier = identifier
  }
}

/** Somebody else changed it since it was read; read it again. */
export class UpdateConflict extends UserError {
  readonly identifier: string
  constructor(identifier: string) {
    super(`update conflict: ${identifier}`)
    this.identifier = identifier
  }
}

export class OperationNotSupported extends UserError {
  constructor(operation: string, identifier: string, reason: string) {
    super(`operation ${operation} is not supported on ${identifier}: ${reason}`)
  }
}
