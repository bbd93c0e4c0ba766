import SwitchbackBackendKit
import SwitchbackPrograms

extension SimpleRecurrence: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    let walk = try RecurrentWalk<T>(self, operands, gates: 1, kernel: 1)
    let activate = try activation.recurrentFunction(type)
    walk.forEachSample { n in
      var h = walk.state(2, n)
      for t in walk.times {
        if !walk.isMasked(n, t) {
          let (x, product) = (walk.step(0, n, t), walk.product(walk.scaled(h, n), gates: 0..<1))
          h = h.indices.map { activate(x[$0] + product[$0]) }
        }
        walk.write(h, to: 0, n, t)
      }
    }
  }
}

extension SimpleRecurrenceBackward: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    let walk = try RecurrentWalk<T>(self, operands, gates: 1, kernel: 1)
    let slope = try activation.recurrentGradient(type)
    walk.forEachSample { n in
      // What arrives at a state from the step after.
      var back = [T](repeating: 0, count: walk.form.units)
      for t in walk.times.reversed() {
        let (h, dh) = (walk.step(0, n, t), walk.step(2, n, t))
        let arriving = back.indices.map { dh[$0] + back[$0] }
        var delta = [T](repeating: 0, count: walk.form.units)
        if walk.isMasked(n, t) {
          back = arriving
        } else {
          delta = arriving.indices.map { slope(h[$0], arriving[$0]) }
          back = walk.scaled(walk.productBack(delta, gates: 0..<1), n)
        }
        walk.write(delta, to: 0, n, t)
      }
      walk.write(back, to: 1, n)
    }
  }
}
