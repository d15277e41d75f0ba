import type { Route } from '../../kernel/kernel.ts'
import type { Prefix } from '../../net/prefix.ts'
import { desiredRoute, routeDestinations, type RouteInputs } from '../desired-routes.ts'

/** All routes that should be in the main table of a node, by destination. */
export function desiredRoutes(inputs: RouteInputs): Map<Prefix, Route> {
  const routes = new Map<Prefix, Route>()
  for (const destination of routeDestinations(() => inputs)) {
    const route = desiredRoute(destination, inputs)
    if (route !== undefined) routes.set(destination, route)
  }
  return routes
}
