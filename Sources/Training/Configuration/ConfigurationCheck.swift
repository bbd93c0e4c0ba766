public import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// What `train` would find wrong with a configuration before its first step, as much of it as can be found at once. Data is
/// opened where it is there; nothing is fetched, trained or written.
public struct ConfigurationCheck {
  public private(set) var problems: [ConfigurationError.Problem] = []
  /// What may not be meant, and what could not be looked at here.
  public private(set) var warnings: [String] = []
  private let configuration: Configuration
  /// Of data that could be opened.
  private var record: DatasetRecord?
  /// How many samples it trains on.
  private var trainingCount: Int?

  public init(_ configuration: Configuration, registry: BackendRegistry, host: HostServices) {
    self.configuration = configuration
    checkBackends(registry, host)
    let layout = openData()
    let weights = readInitialWeights()
    if let layout { checkNetwork(on: layout, weights) }
  }

  private mutating func add(_ place: ConfigurationError.Place, _ message: String) {
    problems.append(.init(place, message))
  }

  // MARK: Backends

  /// Options that a backend does not know, and words that are no backend's. One that is not here is a warning, since another
  /// machine may have it.
  private mutating func checkBackends(_ registry: BackendRegistry, _ host: HostServices) {
    let backend = configuration.backend
    let options = backend.options.keys.sorted()
    let named =
      [("name", [backend.name]), ("fallback", backend.fallback), ("candidates", backend.candidates ?? [])]
      + options.map { (BackendReader.optionKey($0), [$0]) }
    var seen: Set = [AutoBackend.name]
    for (key, names) in named {
      for name in names where seen.insert(name).inserted {
        do throws(BackendError) {
          _ = try BackendChain([name], registry: registry, options: backend.options, host: host)
        } catch {
          let section = BackendReader.optionKey(name)
          if error.kind == .invalid {
            add(backend.places[backend.options[name] == nil ? key : section], error.message)
          } else if let nearest = Self.misspelt(name, registry) {
            add(
              backend.places[key],
              "\(backend.places.path).\(key): there is no backend called \(name); did you mean \(nearest)?")
          } else {
            warnings.append("not on this machine: \(error.message)")
          }
        }
      }
    }
  }

  /// What is meant by a word that is nearly a backend's.
  private static func misspelt(_ name: String, _ registry: BackendRegistry) -> String? {
    let known = Set(BackendReader.names + registry.names + [AutoBackend.name])
    return known.contains(name) || name.contains("/") ? nil : Suggestion.nearest(to: name, among: known.sorted())
  }

  // MARK: Data

  /// What the data has; nil where that cannot be said without it.
  private mutating func openData() -> DatasetLayout? {
    let source = configuration.data.source
    if case .named(let name, nil) = source, let dataset = try? NamedDataset.named(name),
      dataset.existingFolder() == nil
    {
      warnings.append("the files of \(name) are not here, and were not looked at; train fetches them")
      var layout = try? source.layout()
      layout?.targets[0].classNames = dataset.classNames
      return layout
    }
    do throws(DatasetError) {
      let parts = try source.open(configuration.data.request)
      warnings += parts.notes
      if let obstacle = LoopData.obstacle(toTrainingOn: parts.train.count, configuration.training) {
        add(configuration.training.places["batch_size"], obstacle)
      }
      if let obstacle = LoopData.obstacle(toUpdatingOn: parts.train.count, configuration.training) {
        add(configuration.training.places["steps"], obstacle)
      }
      (record, trainingCount) = (parts.record, parts.train.count)
      return parts.train.layout
    } catch {
      let places = configuration.data.places
      add(places[source.path == nil ? "samples" : "path"], "\(places.path): \(error.message)")
      // A table that cannot be read says nothing of its columns.
      let layout = try? source.layout()
      if layout == nil { warnings.append("whether the network fits the data was not looked at") }
      return layout
    }
  }

  // MARK: The network

  private mutating func readInitialWeights() -> InitialWeights? {
    guard let path = configuration.initialWeights else { return nil }
    do {
      return try InitialWeights(path)
    } catch {
      add(configuration.modelPlaces["from"], "model.from: \(error)")
      return nil
    }
  }

  /// The training step is made as `train` makes it, for a whole batch.
  private mutating func checkNetwork(on layout: DatasetLayout, _ weights: InitialWeights?) {
    do throws(ConfigurationError) {
      let step = try configuration.trainingStep(on: layout)
      do throws(ProgramError) {
        let training = try step.build(batchSize: configuration.training.batchSize)
        let inference = try step.inference(batchSize: 1)
        if let doubt = step.doubt(of: inference) { warnings.append(doubt) }
        warnings += LoopData.notes(of: step, inference.program, on: layout)
        if let fault = inference.program.tokenFault(in: record) { problems += configuration.located(fault).problems }
        if let count = trainingCount,
          let states = PerSampleStates(training.parameters, batchSize: configuration.training.batchSize)
        {
          let fault = states.fault(training: count, dropsLast: configuration.training.dropsLastBatch)
          if let fault { problems += configuration.located(fault).problems }
          if let note = states.note(of: record) { warnings.append(note) }
        }
        if let fault = step.classFault(in: record, inference.program) {
          add(configuration.data.places["columns"], "\(configuration.data.places.path).columns: \(fault)")
        }
        if let obstacle = weights?.obstacle(for: training.parameters) {
          add(configuration.modelPlaces["from"], "model.from: \(obstacle)")
        }
      } catch {
        throw configuration.located(error)
      }
    } catch {
      problems += error.problems
    }
  }
}
