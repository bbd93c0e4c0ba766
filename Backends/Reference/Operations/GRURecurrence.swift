import SwitchbackBackendKit
import SwitchbackPrograms

extension GRURecurrence: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    let walk = try RecurrentWalk<T>(self, operands, gates: 3, kernel: 1)
    let activate = try activation.recurrentFunction(type)
    let open = try recurrentActivation.recurrentFunction(type)
    let units = walk.form.units
    let bias = resetAfter ? operands.inputs[2].elements(type) : nil
    walk.forEachSample { n in
      var h = walk.state(operandCount - 1, n)
      for t in walk.times {
        var gates = [T](repeating: 0, count: 3 * units)
        var inner = [T](repeating: 0, count: units)
        if !walk.isMasked(n, t) {
          let (x, q) = (walk.step(0, n, t), walk.scaled(h, n))
          var m = walk.product(q, gates: 0..<2)
          if let bias {
            m = walk.product(q, gates: 0..<3)
            for e in m.indices { m[e] += bias[e] }
            inner = Array(m[(2 * units)...])
          }
          for e in 0..<2 * units { gates[e] = open(x[e] + m[e]) }
          let reset = Array(gates[units..<2 * units])
          let candidate =
            resetAfter
            ? reset.indices.map { reset[$0] * inner[$0] }
            : walk.product(reset.indices.map { reset[$0] * q[$0] }, gates: 2..<3)
          for u in 0..<units {
            let (z, g) = (gates[u], activate(x[2 * units + u] + candidate[u]))
            gates[2 * units + u] = g
            h[u] = z * h[u] + (1 - z) * g
          }
        }
        walk.write(h, to: 0, n, t)
        walk.write(gates, to: 1, n, t)
        if resetAfter { walk.write(inner, to: 2, n, t) }
      }
    }
  }
}

extension GRURecurrenceBackward: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    let walk = try RecurrentWalk<T>(self, operands, gates: 1, kernel: operandCount - 3)
    let slope = try activation.recurrentGradient(type)
    let gateSlope = try recurrentActivation.recurrentGradient(type)
    let units = walk.form.units
    walk.forEachSample { n in
      // What arrives at a state from the step after.
      var back = [T](repeating: 0, count: units)
      let first = walk.state(operandCount - 2, n)
      for (index, t) in walk.times.enumerated().reversed() {
        let dh = walk.step(operandCount - 1, n, t)
        let arriving = back.indices.map { dh[$0] + back[$0] }
        var delta = [T](repeating: 0, count: 3 * units)
        var inner = delta
        if walk.isMasked(n, t) {
          back = arriving
        } else {
          let gates = walk.step(1, n, t)
          let before = index == 0 ? first : first.indices.map { walk.step(0, n, walk.times[index - 1])[$0] }
          let (z, r, g) = (gates, gates + units, gates + 2 * units)
          let candidate = arriving.indices.map { slope(g[$0], arriving[$0] * (1 - z[$0])) }
          // Of r∘q before the product, or of the inner product behind it.
          let throughReset = resetAfter ? candidate : walk.productBack(candidate, gates: 2..<3)
          let besideReset =
            resetAfter ? before.indices.map { walk.step(2, n, t)[$0] } : walk.scaled(before, n)
          for u in 0..<units {
            delta[u] = gateSlope(z[u], arriving[u] * (before[u] - g[u]))
            delta[units + u] = gateSlope(r[u], throughReset[u] * besideReset[u])
            delta[2 * units + u] = candidate[u]
          }
          var product: [T]
          if resetAfter {
            inner = delta
            for u in 0..<units { inner[2 * units + u] = candidate[u] * r[u] }
            product = walk.productBack(inner, gates: 0..<3)
          } else {
            product = walk.productBack(Array(delta[..<(2 * units)]), gates: 0..<2)
            for u in 0..<units { product[u] += throughReset[u] * r[u] }
          }
          let scaled = walk.scaled(product, n)
          back = arriving.indices.map { arriving[$0] * z[$0] + scaled[$0] }
        }
        walk.write(delta, to: 0, n, t)
        if resetAfter { walk.write(inner, to: 1, n, t) }
      }
      walk.write(back, to: resetAfter ? 2 : 1, n)
    }
  }
}
