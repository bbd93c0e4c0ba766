/// What users of the library import: layers and training, backends, data, and the gradient monitor.
@_exported import SwitchbackBackendKit
@_exported import SwitchbackDatasets
@_exported import SwitchbackExecution
@_exported import SwitchbackInference
@_exported import SwitchbackInterchange
@_exported import SwitchbackMonitoring
@_exported import SwitchbackNeuralNetworks
@_exported import SwitchbackPrograms
@_exported import SwitchbackReference
@_exported import SwitchbackTraining
