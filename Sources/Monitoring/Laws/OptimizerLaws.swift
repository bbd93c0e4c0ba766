#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif
import SwitchbackPrograms

/// What an update makes of one element, stated anew in Float64: the operations' own comments name the sources.
protocol OptimizerLaw: OptimizerUpdate {
  /// The weight and its slots behind the update, of those before; nil where rounding decides.
  func moved(_ state: [Double], gradient: Double, rate: Double, correction: Double) -> [Double]?
  /// The bias correction of the update numbered from 0.
  func correction(atUpdate update: Int) -> Double
}

extension OptimizerLaw {
  func correction(atUpdate update: Int) -> Double { 1 }
}

extension SGDUpdate: OptimizerLaw {
  func moved(_ state: [Double], gradient: Double, rate: Double, correction: Double) -> [Double]? {
    let kept = state[0] * (1 - rate * weightDecay)
    guard momentum != 0 else { return [kept - rate * gradient] }
    let direction = momentum * state[1] - rate * gradient
    return [kept + (nesterov ? momentum * direction - rate * gradient : direction), direction]
  }
}

extension RMSpropUpdate: OptimizerLaw {
  func moved(_ state: [Double], gradient: Double, rate: Double, correction: Double) -> [Double]? {
    var moved = state
    moved[0] *= 1 - rate * weightDecay
    moved[1] = rho * state[1] + (1 - rho) * gradient * gradient
    var variance = moved[1]
    if centered {
      moved[2] = rho * state[2] + (1 - rho) * gradient
      variance -= moved[2] * moved[2]
      // Terms that cancel leave their rounding.
      guard variance > 1e-3 * moved[1] else { return nil }
    }
    var increment = rate * gradient / (variance + epsilon).squareRoot()
    if momentum != 0 {
      increment += momentum * state[state.count - 1]
      moved[state.count - 1] = increment
    }
    moved[0] -= increment
    return moved
  }
}

extension AdagradUpdate: OptimizerLaw {
  func moved(_ state: [Double], gradient: Double, rate: Double, correction: Double) -> [Double]? {
    let sum = state[1] + gradient * gradient
    return [state[0] * (1 - rate * weightDecay) - rate * gradient / (sum + epsilon).squareRoot(), sum]
  }
}

extension AdamUpdate: OptimizerLaw {
  func moved(_ state: [Double], gradient: Double, rate: Double, correction: Double) -> [Double]? {
    let mean = state[1] + (gradient - state[1]) * (1 - beta1)
    let square = state[2] + (gradient * gradient - state[2]) * (1 - beta2)
    let step = rate * correction * mean / (square.squareRoot() + epsilon)
    return [state[0] * (1 - rate * weightDecay) - step, mean, square]
  }

  func correction(atUpdate update: Int) -> Double {
    let count = Double(update + 1)
    return (1 - pow(beta2, count)).squareRoot() / (1 - pow(beta1, count))
  }
}
