import { UserError } from '../lib/errors.ts'

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
