import SwitchbackBackendKit
import SwitchbackPrograms

extension LSTMRecurrence: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    let walk = try RecurrentWalk<T>(self, operands, gates: 4, kernel: 1)
    let activate = try activation.recurrentFunction(type)
    let open = try recurrentActivation.recurrentFunction(type)
    let units = walk.form.units
    walk.forEachSample { n in
      var (h, c) = (walk.state(2, n), walk.state(3, n))
      for t in walk.times {
        var gates = [T](repeating: 0, count: 4 * units)
        if !walk.isMasked(n, t) {
          let (x, product) = (walk.step(0, n, t), walk.product(walk.scaled(h, n), gates: 0..<4))
          for e in gates.indices {
            let z = x[e] + product[e]
            gates[e] = e / units == 2 ? activate(z) : open(z)
          }
          for u in 0..<units {
            let (i, f, g, o) = (gates[u], gates[units + u], gates[2 * units + u], gates[3 * units + u])
            c[u] = f * c[u] + i * g
            h[u] = o * activate(c[u])
          }
        }
        walk.write(h, to: 0, n, t)
        walk.write(c, to: 1, n, t)
        walk.write(gates, to: 2, n, t)
      }
    }
  }
}

extension LSTMRecurrenceBackward: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    let walk = try RecurrentWalk<T>(self, operands, gates: 1, kernel: 2)
    let activate = try activation.recurrentFunction(type)
    let slope = try activation.recurrentGradient(type)
    let gateSlope = try recurrentActivation.recurrentGradient(type)
    let units = walk.form.units
    walk.forEachSample { n in
      // What arrives at a state, and at a cell's, from the step after.
      var back = [T](repeating: 0, count: units)
      var cellBack = back
      for (index, t) in walk.times.enumerated().reversed() {
        let dh = walk.step(4, n, t)
        let arriving = back.indices.map { dh[$0] + back[$0] }
        if hasCellGradient {
          let dc = walk.step(5, n, t)
          for u in 0..<units { cellBack[u] += dc[u] }
        }
        var delta = [T](repeating: 0, count: 4 * units)
        if walk.isMasked(n, t) {
          back = arriving
        } else {
          let (c, gates) = (walk.step(0, n, t), walk.step(1, n, t))
          let first = walk.state(3, n)
          for u in 0..<units {
            let (i, f, g, o) = (gates[u], gates[units + u], gates[2 * units + u], gates[3 * units + u])
            let before = index == 0 ? first[u] : walk.step(0, n, walk.times[index - 1])[u]
            let s = activate(c[u])
            let w = cellBack[u] + slope(s, arriving[u] * o)
            delta[u] = gateSlope(i, w * g)
            delta[units + u] = gateSlope(f, w * before)
            delta[2 * units + u] = slope(g, w * i)
            delta[3 * units + u] = gateSlope(o, arriving[u] * s)
            cellBack[u] = w * f
          }
          back = walk.scaled(walk.productBack(delta, gates: 0..<4), n)
        }
        walk.write(delta, to: 0, n, t)
      }
      walk.write(back, to: 1, n)
      walk.write(cellBack, to: 2, n)
    }
  }
}
