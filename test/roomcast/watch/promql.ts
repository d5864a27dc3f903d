// What a query of Prometheus asks for, read with the parser that Prometheus's own page uses.

import { parser } from '@prometheus-io/lezer-promql'

/** One set of series that a query asks for. */
export interface Selected {
  readonly name: string
  /** Labels and the values that they are compared with, as they stand there. */
  readonly matchers: readonly (readonly [label: string, value: string])[]
  /** Of a time, as rate() needs them. */
  readonly isRange: boolean
  /** The functions around it, innermost first. */
  readonly functions: readonly string[]
}

/** A query. */
export interface Query {
  readonly selected: readonly Selected[]
  /** Labels by which is grouped or matched. */
  readonly by: readonly string[]
  /** Something is summed, or the like: only what is grouped by is left. */
  readonly isAggregate: boolean
}

type Node = ReturnType<typeof parser.parse>['topNode']

/** Reads a query. @throws Error for one that is none. */
export function readQuery(written: string): Query {
  // Grafana's: a duration.
  const expr = written.replaceAll('$__rate_interval', '1m')
  const text = ({ from, to }: { from: number; to: number }): string => expr.slice(from, to)
  const selected: Selected[] = []
  const by: string[] = []
  let isAggregate = false
  parser.parse(expr).iterate({
    enter(ref) {
      if (ref.type.isError) throw new Error(`no query, at ${ref.from}: ${expr}`)
      if (ref.name === 'AggregateExpr') isAggregate = true
      if (ref.name === 'GroupingLabels') by.push(...ref.node.getChildren('LabelName').map(text))
      if (ref.name === 'VectorSelector') selected.push(readSelector(ref.node, text))
    },
  })
  return { selected, by, isAggregate }
}

function readSelector(node: Node, text: (node: Node) => string): Selected {
  const name = node.getChild('Identifier')
  if (name === null) throw new Error('a selector without a name')
  const functions: string[] = []
  for (let above = node.parent; above !== null; above = above.parent) {
    const called = above.name === 'FunctionCall' ? above.getChild('FunctionIdentifier') : null
    if (called !== null) functions.push(text(called))
  }
  const matchers = (node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? []).map(
    (matcher): [string, string] => [
      text(matcher.getChild('LabelName')!),
      text(matcher.getChild('StringLiteral')!).slice(1, -1),
    ],
  )
  return { name: text(name), matchers, isRange: node.parent?.name === 'MatrixSelector', functions }
}
