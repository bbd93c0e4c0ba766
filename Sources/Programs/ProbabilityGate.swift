extension Program.Call {
  /// The word of a call whose results lie from 0 to 1, as probabilities do: `softmax`, `sigmoid`, `hardSigmoid`; nil of
  /// others.
  package var probabilityGate: String? {
    switch operation {
    case is Softmax: "softmax"
    case let unary as Unary where [.sigmoid, .hardSigmoid].contains(unary.function): name
    default: nil
    }
  }
}
