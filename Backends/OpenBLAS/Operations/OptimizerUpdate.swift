import SwitchbackCPUKernels
import SwitchbackPrograms

extension KernelMaker {
  func update(_ operation: any OptimizerUpdate) throws -> Kernel {
    let slots = operation.slotNames.indices.map { input(2 + $0) }
    let (w, g, rate) = (input(0), input(1), input(2 + slots.count))
    let hasCorrection = Swift.type(of: operation).takesCorrection
    let correction = hasCorrection ? input(3 + slots.count) : rate
    let allow = call.inputs.last!
    let delta = call.outputs[slots.count + 1]
    let (count, kernels) = (type(0).shape.elementCount, library.kernels)
    var constants = sb_update()
    let step: (UnsafePointer<sb_update>, Kernel.Frame, UnsafeMutablePointer<Float>?) -> Void
    switch operation {
    case let sgd as SGDUpdate:
      (constants.momentum, constants.nesterov, constants.decay) = (
        Float(sgd.momentum), sgd.nesterov ? 1 : 0, Float(sgd.weightDecay)
      )
      step = { constants, frame, delta in
        kernels.pointee.sgd(
          constants, Int64(count), frame.floats(w), frame.floats(g), slots.first.map { frame.floats($0) }, delta)
      }
    case let rmsprop as RMSpropUpdate:
      (constants.rho, constants.share1, constants.momentum, constants.epsilon, constants.decay) = (
        Float(rmsprop.rho), Float(1 - rmsprop.rho), Float(rmsprop.momentum), Float(rmsprop.epsilon),
        Float(rmsprop.weightDecay)
      )
      let average = rmsprop.centered ? slots[1] : nil
      let momentum = rmsprop.momentum == 0 ? nil : slots.last
      step = { constants, frame, delta in
        kernels.pointee.rmsprop(
          constants, Int64(count), frame.floats(w), frame.floats(g), frame.floats(slots[0]),
          average.map { frame.floats($0) }, momentum.map { frame.floats($0) }, delta)
      }
    case let adagrad as AdagradUpdate:
      (constants.epsilon, constants.decay) = (Float(adagrad.epsilon), Float(adagrad.weightDecay))
      step = { constants, frame, delta in
        kernels.pointee.adagrad(
          constants, Int64(count), frame.floats(w), frame.floats(g), frame.floats(slots[0]), delta)
      }
    case let adam as AdamUpdate:
      (constants.share1, constants.share2, constants.epsilon, constants.decay) = (
        Float(1 - adam.beta1), Float(1 - adam.beta2), Float(adam.epsilon), Float(adam.weightDecay)
      )
      step = { constants, frame, delta in
        kernels.pointee.adam(
          constants, Int64(count), frame.floats(w), frame.floats(g), frame.floats(slots[0]), frame.floats(slots[1]),
          delta)
      }
    default: throw Declined(reason: "\(operation.name) is not implemented here")
    }
    let fixed = constants
    return Kernel(access: nil, rows: 1) { frame in
      let change = delta.map { frame.floats($0) }
      guard frame.pointers[allow].load(as: UInt8.self) != 0 else {
        change?.update(repeating: 0, count: count)
        return
      }
      var constants = fixed
      constants.rate = frame.floats(rate)[0]
      constants.correction = hasCorrection ? frame.floats(correction)[0] : 1
      withUnsafePointer(to: constants) { step($0, frame, change) }
    }
  }

  func allFinite() throws -> Kernel {
    let operands = call.inputs.map { ($0, segment.values[$0].type.shape.elementCount) }
    let (y, kernels) = (output, library.kernels)
    return Kernel(access: nil, rows: 1) { frame in
      var isFinite = true
      for (operand, count) in operands where kernels.pointee.all_finite(Int64(count), frame.floats(operand)) == 0 {
        isFinite = false
      }
      frame.pointers[y].storeBytes(of: isFinite ? 1 : 0, as: UInt8.self)
    }
  }
}
