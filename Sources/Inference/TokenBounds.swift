import SwitchbackPrograms

/// Which numbers a network can look up in a field of tokens.
package struct TokenBound: Hashable, Sendable {
  /// Of the field.
  package var name: String
  /// The embedding, such as `layers.0.embedding`.
  package var path: String
  /// Tokens are below it.
  package var count: Int

  /// Why it knows no such token; nil where it does.
  package func fault(of token: Int32) -> String? {
    guard token < 0 || Int(token) >= count else { return nil }
    return "the field \(name) has the token \(token), and \(path) knows those from 0 to \(count - 1)"
  }
}

extension Program {
  /// Of each input that indices of a table are read from, in the order of the calls.
  package var tokenBounds: [TokenBound] {
    calls.compactMap { call in
      guard let gather = call.operation as? Gather, values[call.inputs[1]].role == .input else { return nil }
      let rows = values[call.inputs[0]].type.shape[gather.axis]
      return TokenBound(name: values[call.inputs[1]].name, path: call.path, count: rows)
    }
  }
}
