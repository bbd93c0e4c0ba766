import Foundation
import SwitchbackInterchange

/// The tensors of somebody's file, in its order, and whose names they have.
package struct ForeignWeights {
  package enum Framework: String, Hashable, Sendable, CaseIterable { case switchback, pytorch, keras }

  package let tensors: [Safetensors.Tensor]
  package let framework: Framework
  /// Whether the file keeps the order of the layers: safetensors sorts by name, unless its metadata say `order`.
  package let isOrdered: Bool

  /// Reads safetensors, or a file of `torch.save`; Keras's own files are refused with what helps.
  package init(_ path: String) throws {
    let start = try MappedFile(path)
    let first = start.data(0..<min(8, start.count))
    do {
      if first.starts(with: [0x89, 0x48, 0x44, 0x46]) || path.hasSuffix(".keras") || path.hasSuffix(".h5") {
        throw WeightError(
          "it is a file of Keras, which is not read here. Scripts/keras_to_safetensors.py MODEL.keras FILE.safetensors writes "
            + "what is")
      }
      if first.starts(with: [0x80, 2, 0x8A, 0x0A]) {
        throw WeightError("it is of a PyTorch before 1.6, or saved for it: save it again with torch.save")
      }
      if first.starts(with: Array("PK".utf8)) {
        self.init(try PyTorchFile(path).tensors, framework: .pytorch, isOrdered: true)
        return
      }
      let file = try Safetensors(mapping: path)
      let order = try file.decoded("order", as: [String].self) ?? []
      let places = Dictionary(order.enumerated().map { ($1, $0) }) { first, _ in first }
      let sorted = file.tensors.sorted { a, b in
        let (p, q) = (places[a.name] ?? .max, places[b.name] ?? .max)
        return p == q ? a.name.compare(b.name, options: .numeric) == .orderedAscending : p < q
      }
      self.init(
        sorted, framework: file.metadata["framework"].flatMap(Framework.init) ?? Self.framework(of: sorted.map(\.name)),
        isOrdered: !order.isEmpty)
    } catch let error as FileError {
      throw error
    } catch {
      throw WeightError("\(path) holds no weights that can be read: \(error)")
    }
  }

  package init(_ tensors: [Safetensors.Tensor], framework: Framework, isOrdered: Bool) {
    (self.tensors, self.framework, self.isOrdered) = (tensors, framework, isOrdered)
  }

  private static func framework(of names: [String]) -> Framework {
    if names.contains(where: { $0.contains(".") && $0.contains("/") }) { return .switchback }
    return names.contains { $0.contains("/") } ? .keras : .pytorch
  }

  // MARK: Groups

  /// Tensors of one layer of theirs, by what they are to it (`weight`, `bias_ih`, `query/kernel`).
  struct Group {
    var path: String
    var isBackward = false
    var tensors: [String: Safetensors.Tensor] = [:]
    /// The last part of its path.
    var name: Substring { path.split { $0 == "." || $0 == "/" }.last ?? "" }
  }

  /// By layer, in their order.
  var groups: [Group] {
    var groups: [Group] = []
    var places: [String: Int] = [:]
    let names = Set(tensors.map(\.name))
    for tensor in tensors where !Self.isIgnored(tensor.name) {
      let (path, role, key, isBackward) =
        framework == .keras ? Self.kerasRole(tensor.name) : Self.pytorchRole(tensor.name, among: names)
      let place = places[key] ?? groups.count
      if place == groups.count { groups.append(Group(path: path, isBackward: isBackward)) }
      places[key] = place
      groups[place].tensors[role] = tensor
    }
    return groups
  }

  /// What only their training counts.
  static func isIgnored(_ name: String) -> Bool {
    ["num_batches_tracked", "seed_generator_state"].contains { name.hasSuffix($0) }
  }

  private typealias Role = (path: String, role: String, key: String, isBackward: Bool)

  private static func pytorchRole(_ name: String, among names: Set<String>) -> Role {
    if let found = name.wholeMatch(of: /(.*?)(weight|bias)_(ih|hh)(_l[0-9]+)?(_reverse)?/) {
      let path = String(found.1.hasSuffix(".") ? found.1.dropLast() : found.1)
      let run = String(found.4 ?? "") + String(found.5 ?? "")
      return (path, "\(found.2)_\(found.3)", path + run, found.5 != nil)
    }
    for ending in ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"] where name.hasSuffix(ending) {
      let start = String(name.dropLast(ending.count))
      guard names.contains(start + "in_proj_weight") else { continue }
      let path = start.hasSuffix(".") ? String(start.dropLast()) : start
      return (path, ending, path, false)
    }
    guard let point = name.lastIndex(of: ".") else { return ("", name, "", false) }
    let path = String(name[..<point])
    return (path, String(name[name.index(after: point)...]), path, false)
  }

  private static func kerasRole(_ name: String) -> Role {
    let parts = name.split(separator: "/").map(String.init)
    let isPart = parts.count > 1 && ["query", "key", "value", "attention_output"].contains(parts[parts.count - 2])
    let path = parts.dropLast(isPart ? 2 : 1).joined(separator: "/")
    let role = parts.suffix(isPart ? 2 : 1).joined(separator: "/")
    return (path, role, path, parts.contains { $0.hasPrefix("backward_") || $0.hasSuffix(".backward") })
  }
}
