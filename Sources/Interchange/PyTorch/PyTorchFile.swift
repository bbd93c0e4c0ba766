import Foundation

/// A file of `torch.save`: its tensors in their order, with the names of the dictionaries around them (`model.conv1.weight`).
/// Nothing of it is executed (`TensorPickle`).
///
/// Tensors that share a storage are copied; together they may be four times as large as the file.
package struct PyTorchFile {
  package let tensors: [Safetensors.Tensor]

  private static let most = 4

  package init(_ path: String) throws {
    try self.init(MappedFile(path))
  }

  init(_ file: MappedFile) throws(Safetensors.FormatError) {
    let archive = try ZipArchive(file.data(0..<file.count))
    guard let entry = archive.entry(endingWith: "/data.pkl") else {
      throw Safetensors.FormatError(description: "the archive has no data.pkl, so torch.save did not write it")
    }
    let folder = entry.name.dropLast("data.pkl".count)
    if let order = archive.entries.first(where: { $0.name == folder + "byteorder" }) {
      guard try archive.data(of: order).elementsEqual("little".utf8) else {
        throw Safetensors.FormatError(description: "its numbers are big-endian")
      }
    }
    let pickle = try TensorPickle(archive.data(of: entry))
    let entries = Dictionary(archive.entries.map { ($0.name, $0) }) { first, _ in first }
    var storages: [String: Data] = [:]
    var (tensors, total) = ([Safetensors.Tensor](), 0)
    for (name, view) in try pickle.tensors() {
      if storages[view.storage] == nil {
        guard let entry = entries[folder + "data/" + view.storage] else {
          throw Safetensors.FormatError(
            description: "\(name) is of the storage \(view.storage), which is not in the archive")
        }
        storages[view.storage] = try archive.data(of: entry)
      }
      let tensor = try view.tensor(name, storages[view.storage] ?? Data())
      total += tensor.bytes.count
      guard total <= Self.most * file.count else {
        throw Safetensors.FormatError(
          description: "its tensors are views that together have more than \(Self.most) times the file's bytes")
      }
      tensors.append(tensor)
    }
    self.tensors = tensors
  }
}

extension TensorPickle {
  /// The tensors of the dictionaries and lists, with their names.
  fileprivate func tensors() throws(Safetensors.FormatError) -> [(name: String, view: TensorView)] {
    var found: [(String, TensorView)] = []
    var names: Set<String> = []
    // What was kept may be recalled any number of times; as many visits as nodes are enough for what torch.save writes.
    var visits = 0
    var waiting: [(node: Int, name: String, depth: Int)] = [(root, "", 0)]
    while let (node, name, depth) = waiting.popLast() {
      visits += 1
      guard visits <= 2 * nodes.count + 16, depth <= 16, name.utf8.count <= 1024 else {
        throw Safetensors.FormatError(description: "its dictionaries lie too deep in each other")
      }
      func inner(_ key: String) -> String { name.isEmpty ? key : name + "." + key }
      switch nodes[node].kind {
      case .tensor(let view):
        guard names.insert(name).inserted else {
          throw Safetensors.FormatError(description: "two tensors are called \(name)")
        }
        found.append((name, view))
      case .list, .tuple:
        for (index, child) in nodes[node].children.enumerated().reversed() {
          waiting.append((child, inner("\(index)"), depth + 1))
        }
      case .dictionary:
        let items = nodes[node].children
        for index in stride(from: items.count - 2, through: 0, by: -2) {
          switch nodes[items[index]].kind {
          case .text(let key): waiting.append((items[index + 1], inner(key), depth + 1))
          case .integer(let key): waiting.append((items[index + 1], inner("\(key)"), depth + 1))
          default: throw Safetensors.FormatError(description: "a dictionary has a key that is no text")
          }
        }
      default: break
      }
    }
    guard !found.isEmpty else { throw Safetensors.FormatError(description: "it holds no tensor") }
    return found
  }
}

extension TensorPickle.TensorView {
  /// The view's elements, row-major.
  fileprivate func tensor(_ name: String, _ storage: Data) throws(Safetensors.FormatError) -> Safetensors.Tensor {
    func fault(_ words: String) -> Safetensors.FormatError { .init(description: "\(name) \(words)") }
    guard let size = Safetensors.byteCounts[type], let count = Safetensors.elementCount(shape) else {
      throw fault("has no shape: \(shape)")
    }
    let available = storage.count / size
    guard storageCount <= available else {
      throw fault("is of a storage of \(storageCount) elements, and the file has \(available) of them")
    }
    guard count > 0 else { return Safetensors.Tensor(name: name, type: type, shape: shape, bytes: Data()) }
    // A view may repeat elements, and then be larger than any file.
    guard count <= available else { throw fault("repeats elements of its storage: save it with .contiguous()") }
    var last = offset
    for (extent, stride) in zip(shape, strides) {
      let (reach, overflows) = stride.multipliedReportingOverflow(by: extent - 1)
      let (sum, overflowsToo) = last.addingReportingOverflow(reach)
      guard !overflows, !overflowsToo else { throw fault("lies beyond its storage") }
      last = sum
    }
    guard last < available else { throw fault("lies beyond its storage") }
    var bytes = Data(capacity: count * size)
    var index = [Int](repeating: 0, count: shape.count)
    // The longest part of the last axes that lies as it is.
    var (run, inner) = (1, shape.count)
    while inner > 0, strides[inner - 1] == run || shape[inner - 1] == 1 {
      inner -= 1
      run *= shape[inner]
    }
    var place = offset
    storage.withUnsafeBytes { source in
      while bytes.count < count * size {
        bytes.append(contentsOf: source[place * size..<(place + run) * size])
        var axis = inner - 1
        while axis >= 0 {
          index[axis] += 1
          place += strides[axis]
          if index[axis] < shape[axis] { break }
          place -= strides[axis] * shape[axis]
          index[axis] = 0
          axis -= 1
        }
        if axis < 0 { break }
      }
    }
    return Safetensors.Tensor(name: name, type: type, shape: shape, bytes: bytes)
  }
}
