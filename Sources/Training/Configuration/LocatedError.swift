import SwitchbackNeuralNetworks
public import SwitchbackPrograms

extension Configuration {
  /// Why this network, or a training step of it, cannot be built: with the line of the layer, of the objective, or of what
  /// else is to blame.
  public func located(_ error: ProgramError) -> ConfigurationError { located([error]) }

  func located(_ errors: [ProgramError]) -> ConfigurationError {
    // What is wrong with a layer of a block is said for the first use.
    var said: Set<String> = []
    let first = errors.filter { error in
      guard let layer = layerPlaces[error.path], !layer.uses.isEmpty else { return true }
      return said.insert("\(layer.place) \(error.message)").inserted
    }
    return ConfigurationError(problems: first.map(problem))
  }

  private func problem(_ error: ProgramError) -> ConfigurationError.Problem {
    if let layer = layerPlaces[error.path] {
      let path = layer.path + Self.otherName(error.path, of: layer)
      return .init(layer.place, "\(path): \(error.message)\(layer.uses)")
    }
    for objective in training.objectives {
      let prefix = training.objectives.count > 1 ? (objective.output ?? "") + "/" : ""
      if [prefix + "loss", prefix + "metrics"].contains(error.path) {
        return .init(objective.places["loss"], "\(objective.places.path).loss: \(error.message)")
      }
    }
    if error.path == "optimizer" {
      return .init(training.places["optimizer"], "\(training.places.path).optimizer: \(error.message)")
    }
    return .init(modelPlaces["layers"], "\(error.path.isEmpty ? "model" : error.path): \(error.message)")
  }

  /// The network's path of a layer, where its list has another one in the configuration: of a layer with a name, and of one
  /// turn of a `repeat`.
  private static func otherName(_ path: String, of layer: LayerPlaces.Entry) -> String {
    func list(_ path: String) -> Substring { path[..<(path.lastIndex(of: ".") ?? path.startIndex)] }
    return list(layer.path) == list("model." + path) ? "" : " (\(path))"
  }
}
