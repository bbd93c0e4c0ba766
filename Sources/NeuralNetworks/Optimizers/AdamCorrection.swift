import Glibc
import SwitchbackPrograms

extension AdamUpdate {
  /// √(1 − β₂ᵗ)/(1 − β₁ᵗ) for the update numbered from 0, so t = update + 1.
  static func correction(_ beta1: Double, _ beta2: Double, atUpdate update: Int) -> Double {
    let t = Double(update + 1)
    return (1 - pow(beta2, t)).squareRoot() / (1 - pow(beta1, t))
  }
}
