// Original file: proto/podresources.proto


export interface ListPodResourcesRequest {
}

export interface ListPodResourcesRequest__Output {
}
